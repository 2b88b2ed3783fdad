"""The query language of document lists: ``-t tag -r reference -c content -n name -i id "bare text"``."""

import re
from typing import Any

from dragoman.domain.knowledge.model import DocumentState
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.kit.errors import InvalidInput

_TOKEN = re.compile(r'"([^"]*)"?|\'([^\']*)\'|(\S+)')
_FLAGS = {"-t": "tag", "-r": "reference", "-c": "text", "-n": "name", "-i": "id"}
_ORDER = re.compile(r"(created_at|updated_at|indexed_at)(_asce?|_desc)?")
STATES: dict[str, tuple[DocumentState, ...]] = {
    "queued": ("queued", "parsing", "embedding"),
    "indexed": ("indexed",),
    "cancelled": ("failed", "cancelled"),
}


def document_filter(
    *, text: str | None, order_by: str | None, state: str | None, limit: int, offset: int
) -> DocumentFilter:
    """Which documents are asked for; all conditions must hold.

    Raises:
        InvalidInput: a flag without its value or given twice, an unknown order or state.
    """
    order = _ORDER.fullmatch((order_by or "created_at").strip().lower())
    if order is None:
        raise InvalidInput(
            "order_by must be created_at, updated_at or indexed_at, followed by _asce or _desc.",
            param="order_by",
        )
    states: tuple[DocumentState, ...] = ()
    if state and state.strip():
        if state.strip().lower() not in STATES:
            raise InvalidInput(f"state must be one of {', '.join(STATES)}.", param="state")
        states = STATES[state.strip().lower()]
    return DocumentFilter(
        **_conditions(text or ""),
        states=states,
        order_by=order[1],
        descending=order[2] == "_desc",
        limit=limit,
        offset=offset,
    )


def _conditions(text: str) -> dict[str, Any]:
    conditions: dict[str, str] = {}
    bare: list[str] = []
    flag: str | None = None
    for match in _TOKEN.finditer(text):
        quoted = match[3] is None
        word: str = match[1] or match[2] or "" if quoted else match[3]
        if flag is not None:
            conditions[_FLAGS[flag]] = word
            flag = None
        elif not quoted and word.lower() in _FLAGS:
            flag = word.lower()
            if _FLAGS[flag] in conditions:
                raise InvalidInput(f"filter: {flag} is given twice.", param="filter")
        else:
            bare.append(word)
    if flag is not None:
        raise InvalidInput(f"filter: {flag} needs a value after it.", param="filter")
    if phrase := " ".join(bare).strip():
        conditions["name_or_text"] = phrase
    return conditions
