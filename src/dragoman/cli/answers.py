"""Answers on the terminal: text as it comes, then the references it used."""

import re
import sys
from collections.abc import AsyncIterator, Sequence

import orjson

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import Attached, CitationsFound, Event, Finished, TextDelta
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.domain.messages.stored import write_parts

_MARK = re.compile(r"\[(\d+(?:\s*,\s*\d+)*)\]")
_EXCERPT = 160
_LONGEST_ADDRESS = 500


def cited(text: str, citations: Sequence[Citation]) -> list[Citation]:
    """The references whose numbers the text carries."""
    numbers = {int(number) for group in _MARK.findall(text) for number in group.split(",")}
    return [citation for citation in citations if citation.number in numbers]


def place(citation: Citation) -> str:
    """Document, page, passage and offsets of a reference."""
    page = f", page {citation.page}" if citation.page is not None else ""
    return (
        f"[{citation.number}] {citation.document_name}{page}, passage {citation.passage_id.rpartition(':')[2]} "
        f"(characters {citation.char_start}-{citation.char_end})"
    )


async def show(events: AsyncIterator[Event]) -> Answer:
    """Prints the answer while it comes, then its references; gives the whole."""
    folder = Folder()
    async for event in events:
        folder.add(event)
        if isinstance(event, TextDelta):
            sys.stdout.write(event.text)
            sys.stdout.flush()
    answer = folder.answer()
    print()
    for part in write_parts(answer.attachments):
        made = str(part.get("url") or part.get("data") or "")
        print(f"\n[{part['kind']}] {made if len(made) <= _LONGEST_ADDRESS else f'{len(made)} characters'}")
    for citation in cited(answer.text, answer.citations):
        excerpt = " ".join(citation.text.split())
        print(f"\n{place(citation)}\n    {excerpt[:_EXCERPT]}{'…' if len(excerpt) > _EXCERPT else ''}")
    return answer


async def show_json(events: AsyncIterator[Event]) -> Answer:
    """One JSON object a line: ``citations``, ``attached``, ``text`` and ``end`` events."""
    folder = Folder()
    async for event in events:
        folder.add(event)
        match event:
            case TextDelta(text):
                _write({"event": "text", "text": text})
            case Attached(parts, tool):
                _write({"event": "attached", "tool": tool, "parts": write_parts(parts)})
            case CitationsFound(citations):
                _write({"event": "citations", "citations": [citation_object(item) for item in citations]})
            case Finished():
                _write({"event": "end", "model": event.model, "finish_reason": event.reason})
            case _:
                pass
    return folder.answer()


def citation_object(citation: Citation) -> dict[str, object]:
    """A reference as JSON."""
    return {
        "number": citation.number,
        "document": citation.document_name,
        "document_id": citation.document_id,
        "page": citation.page,
        "passage_id": citation.passage_id,
        "char_start": citation.char_start,
        "char_end": citation.char_end,
        "text": citation.text,
        "score": round(citation.score, 4),
    }


def _write(event: dict[str, object]) -> None:
    sys.stdout.write(orjson.dumps(event).decode() + "\n")
    sys.stdout.flush()
