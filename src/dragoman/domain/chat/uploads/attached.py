"""Attached files in a conversation: known when they are asked about, loaded when a model is to see them."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.uploads import repository
from dragoman.domain.chat.uploads.model import Upload, reference_of
from dragoman.domain.inference.multimodal import MediaKind
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Message, Part, TextPart
from dragoman.kit.errors import InvalidInput

# Whatever the model takes: documents are read here, page by page and cell by cell.
READ_HERE: tuple[MediaKind, ...] = ("file", "other")


def known(connection: Connection, session_key: int, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with those that name a file of the session as what the file is.

    Raises:
        InvalidInput: the session has no such file.
    """
    ids = {reference for part in parts if (reference := reference_of(part)) is not None}
    if not ids:
        return tuple(parts)
    found = repository.select(connection, session_key, ids)
    if len(found) < len(ids):
        raise InvalidInput(
            "There is no such attachment in this session.", param="prompt", code="attachment_not_found"
        )
    return tuple(found[name].part if (name := reference_of(part)) is not None else part for part in parts)


def named_in(connection: Connection, session_key: int, said: Sequence[ChatMessage]) -> dict[str, Upload]:
    """The files of the session that messages name, by id."""
    parts = [part for message in said for part in message.parts]
    ids = {reference for part in parts if (reference := reference_of(part)) is not None}
    return repository.select(connection, session_key, ids) if ids else {}


def words(connection: Connection, session_key: int, parts: Sequence[Part]) -> str:
    """By what attached files are found: their names, and what is said in recordings."""
    ids = {reference for part in parts if (reference := reference_of(part)) is not None}
    found = repository.select(connection, session_key, ids) if ids else {}
    return "\n".join(f"{upload.text or ''} {upload.name}".strip() for upload in found.values())


def holds_documents(conversation: Sequence[Message]) -> bool:
    """Whether a conversation names attached documents."""
    return any(
        isinstance(part, FilePart) and reference_of(part) is not None
        for message in conversation
        for part in message.parts
    )


def loaded(
    connection: Connection,
    session_key: int,
    conversation: Sequence[Message],
    place_of: Callable[[Upload], str],
) -> tuple[Message, ...]:
    """The conversation with the content of attached files in their place, or what stands for it.

    Args:
        place_of: the address of a file that can only be named.
    """
    return tuple(
        replace(
            message, parts=tuple(_loaded(connection, session_key, part, place_of) for part in message.parts)
        )
        if any(reference_of(part) is not None for part in message.parts)
        else message
        for message in conversation
    )


def _loaded(connection: Connection, session_key: int, part: Part, place_of: Callable[[Upload], str]) -> Part:
    name = reference_of(part)
    if name is None:
        return part
    found = repository.content(connection, session_key, name)
    if found is None:
        return TextPart("[A file that is gone.]")
    upload, data = found
    if upload.text is not None:
        return TextPart(upload.text or "[A recording in which nothing is said.]")
    if not upload.is_readable:
        return TextPart(_described(upload, place_of(upload)))
    encoded = b64encode(data).decode()
    match part:
        case ImagePart():
            return ImagePart(f"data:{upload.media_type};base64,{encoded}")
        case AudioPart():
            return AudioPart(encoded, upload.media_type.partition("/")[2])
        case _:
            return FilePart(f"data:{upload.media_type};base64,{encoded}", upload.name)


def _described(upload: Upload, place: str) -> str:
    return f"[The user attached the file {upload.name!r} ({upload.size} bytes), which cannot be read here. It is kept at {place}]"
