"""What a user sends in a chat, and messages in the published form."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from dragoman.dialects.aivax.fields import Choice, Field, Member, Record, Text, at, wrong
from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.spec import ChatClientSpec
from dragoman.domain.chat.uploads.model import Upload, named, reference_of
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Part, TextPart, VideoPart
from dragoman.kit.jsontypes import JsonValue

# From an attached file to where it is found.
Place: TypeAlias = Callable[[Upload], str]

_DATA = Text(1, 200_000_000)
_MOST_PARTS = 50
_INNER: dict[str, tuple[str, Field]] = {
    "text": ("text", Text(0, 1_000_000)),
    "image_url": (
        "image_url",
        Record({"url": Member(_DATA, required=True), "detail": Member(Text(0, 20, nullable=True))}),
    ),
    "input_audio": (
        "input_audio",
        Record({"data": Member(_DATA, required=True), "format": Member(Text(1, 20), required=True)}),
    ),
    "video_url": ("video_url", Record({"url": Member(_DATA, required=True)})),
    "file": (
        "file",
        Record({"file_data": Member(_DATA, required=True), "filename": Member(Text(0, 500, nullable=True))}),
    ),
    # A file that was sent ahead by itself; whether the chat takes its kind was looked at then.
    "attachment": ("attachment", Record({"id": Member(Text(36, 36), required=True)})),
}
_KIND = Choice(tuple(_INNER))
_MODES = {"image_url": "image", "input_audio": "audio", "video_url": "document", "file": "document"}


class Content:
    """A text, or a list of parts."""

    def read(self, value: object, path: str) -> JsonValue:
        if isinstance(value, str):
            return Text(1, 1_000_000).read(value, path)
        if not isinstance(value, list) or not 1 <= len(value) <= _MOST_PARTS:
            raise wrong(path, f"must be a text or a list of 1 to {_MOST_PARTS} parts")
        return [_read_part(part, f"{path}[{position}]") for position, part in enumerate(value)]

    def schema(self) -> dict[str, JsonValue]:
        return {"type": ["string", "array"], "items": {"type": "object"}}


def _read_part(part: object, path: str) -> JsonValue:
    if not isinstance(part, dict):
        raise wrong(path, "must be an object")
    kind = str(_KIND.read(part.get("type"), at(path, "type")))
    member, field = _INNER[kind]
    if member not in part:
        raise wrong(at(path, member), "is required")
    return {"type": kind, member: field.read(part[member], at(path, member))}


class Question:
    """The ``prompt`` of a body: an object with a content, or a text by itself."""

    _shape = Record(
        {"role": Member(Choice(("user",)), default="user"), "content": Member(Content(), required=True)}
    )

    def read(self, value: object, path: str) -> JsonValue:
        if value is None:
            return None
        if isinstance(value, str):
            return {"role": "user", "content": Text(1, 1_000_000).read(value, path)}
        return self._shape.read(value, path)

    def schema(self) -> dict[str, JsonValue]:
        return {**self._shape.schema(), "type": ["object", "string", "null"]}


BODY = Record({"prompt": Member(Question(), default=None)})


def parts_of(prompt: Any, spec: ChatClientSpec) -> tuple[Part, ...] | None:
    """The parts of a read prompt, None when there is none.

    Raises:
        InvalidInput: a part of a kind that this client does not take.
    """
    if prompt is None:
        return None
    content = prompt["content"]
    if isinstance(content, str):
        return (TextPart(content),)
    parts: list[Part] = []
    for position, part in enumerate(content):
        mode = _MODES.get(part["type"])
        if mode is not None and mode not in spec.input_modes:
            raise wrong(f"prompt.content[{position}]", f"is of a kind ({mode}) that this chat does not take")
        parts.append(_part(part))
    if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
        raise wrong("prompt.content", "must not be blank")
    return tuple(parts)


def _part(part: dict[str, Any]) -> Part:
    match part["type"]:
        case "text":
            return TextPart(part["text"])
        case "image_url":
            return ImagePart(part["image_url"]["url"], part["image_url"].get("detail"))
        case "input_audio":
            return AudioPart(part["input_audio"]["data"], part["input_audio"]["format"])
        case "video_url":
            return VideoPart(part["video_url"]["url"])
        case "attachment":
            return named(part["attachment"]["id"])
        case _:
            return FilePart(part["file"]["file_data"], part["file"].get("filename"))


def below(path: str) -> Place:
    """Where the files of a session are found whose operations are below a path."""
    return lambda upload: f"{path}/attachments/{upload.id}"


def content_of(
    message: ChatMessage, uploads: Mapping[str, Upload] = MappingProxyType({}), *, place: Place | None = None
) -> JsonValue:
    """A message's content: a text where it is nothing but text, else the parts.

    Args:
        uploads: attached files by id.
        place: where an attached file is found; None tells nobody.
    """
    if all(isinstance(part, TextPart) for part in message.parts):
        return message.text
    published: list[JsonValue] = []
    for part in message.parts:
        reference = reference_of(part)
        if reference is None:
            published.append(_published(part))
        else:
            shown = attachment({"id": reference}, uploads.get(reference), place)
            published.append({"type": "attachment", "attachment": shown})
    return published


def attachment(
    shown: dict[str, JsonValue], upload: Upload | None, place: Place | None
) -> dict[str, JsonValue]:
    """An attached file as it is told of; ``shown`` is what is known of one that is gone."""
    if upload is None:
        return shown
    return {
        "id": upload.id,
        "name": upload.name,
        "kind": upload.mode,
        "mediaType": upload.media_type,
        "size": upload.size,
        "transcript": upload.text,
        **({"url": place(upload)} if place is not None else {}),
    }


def attachments(parts: Sequence[Part]) -> dict[str, JsonValue]:
    """What tools made for the person: pictures as ``images``, the rest as ``attachments``; no member without an entry."""
    shown: dict[str, list[JsonValue]] = {"images": [], "attachments": []}
    for part in parts:
        shown["images" if isinstance(part, ImagePart) else "attachments"].append(_published(part))
    return {name: values for name, values in shown.items() if values}


def _published(part: Part) -> JsonValue:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            inner: dict[str, JsonValue] = {"url": url, **({"detail": detail} if detail else {})}
            return {"type": "image_url", "image_url": inner}
        case AudioPart(data, form):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
        case VideoPart(url):
            return {"type": "video_url", "video_url": {"url": url}}
        case FilePart(data, filename):
            return {"type": "file", "file": {"file_data": data, "filename": filename}}
