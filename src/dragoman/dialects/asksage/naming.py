"""Datasets by name: the stored form ``user_custom_<number>_<name>_content``, and what a caller may write for it."""

import re
from collections.abc import Sequence

from dragoman.dialects.asksage.operation import Call
from dragoman.domain.knowledge.model import Collection
from dragoman.kit.errors import InvalidInput

_MAXIMUM_NAME = 100
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_STORED = re.compile(r"user_(?:custom|content)_\d+_.+_content")


def stored_name(collection: Collection) -> str:
    """The full name of a dataset."""
    return f"user_custom_{collection.owner_number}_{collection.name}_content"


def classification(collection: Collection) -> str:
    """Whether a dataset holds controlled information."""
    return "CUI" if collection.label == "CUI" else "Unclassified"


def checked_name(name: str) -> str:
    """A name that a new dataset may have.

    Raises:
        InvalidInput: too long (``dataset_name_too_long``) or with other characters than letters, digits, ``-`` and ``_``.
    """
    if len(name) > _MAXIMUM_NAME:
        raise InvalidInput(
            f"The dataset name is longer than {_MAXIMUM_NAME} characters.",
            param="dataset",
            code="dataset_name_too_long",
        )
    if not _NAME.fullmatch(name) or _STORED.fullmatch(name):
        raise InvalidInput("A dataset name has letters, digits, '-' and '_' only.", param="dataset")
    return name


async def named(call: Call, name: str) -> Collection:
    """The visible dataset of a full or short name, the caller's own before others'.

    Raises:
        InvalidInput: no such dataset for this caller.
    """
    return pick(await call.services.collections.visible(call.caller), name, call)


def pick(found: Sequence[Collection], name: str, call: Call) -> Collection:
    """The one of the visible datasets that a name means.

    Raises:
        InvalidInput: none of them.
    """
    mine = [collection for collection in found if collection.owner_id == call.caller.user_id]
    for collection in (*mine, *found):
        if name in (stored_name(collection), collection.name, collection.id):
            return collection
    raise InvalidInput(
        f"The dataset {name!r} was not found; get-datasets lists yours.",
        param="dataset",
    )


async def owned(call: Call, name: str) -> Collection:
    """The caller's own dataset of a full or short name.

    Raises:
        InvalidInput: no such dataset for this caller, or another's that is only shared with the caller.
    """
    collection = await named(call, name)
    if collection.owner_id != call.caller.user_id:
        raise InvalidInput(f"Only its owner may change {name!r} in this way.", param="dataset")
    return collection


async def scope(call: Call, names: Sequence[str]) -> tuple[str, ...]:
    """The ids of the datasets to search: ``all`` (or nothing named) = every visible one, ``none`` = none.

    Raises:
        InvalidInput: a named dataset does not exist for this caller.
    """
    wanted = [name.strip() for name in names if name.strip()]
    if any(name.lower() == "none" for name in wanted):
        return ()
    visible = await call.services.collections.visible(call.caller)
    if not wanted or any(name.lower() == "all" for name in wanted):
        return tuple(collection.id for collection in visible)
    return tuple(dict.fromkeys(pick(visible, name, call).id for name in wanted))
