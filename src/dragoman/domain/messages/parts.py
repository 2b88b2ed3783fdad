"""What a conversation is made of: messages of parts, calls of tools and what tools answered."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dragoman.kit.jsontypes import JsonObject


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image by address; ``url`` may be a ``data:`` URL."""

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AudioPart:
    """Recorded sound: base64 data and its container format (``wav``, ``mp3``)."""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class VideoPart:
    url: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file by address or ``data:`` URL."""

    data: str
    filename: str | None = None


Part: TypeAlias = TextPart | ImagePart | AudioPart | VideoPart | FilePart
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool; ``arguments`` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; ``parameters`` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``tool_call_id`` is set on tool results only, ``tool_calls`` on assistant turns only."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @staticmethod
    def of_text(role: Role, text: str) -> "Message":
        """A message of one text part."""
        return Message(role, (TextPart(text),))
