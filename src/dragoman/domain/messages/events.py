"""The one event stream that every answer is, whole or streamed, in every dialect.

A stream is any number of deltas, tool runs, attachments and ``CitationsFound``, then ``Finished`` as the last event. Where
documents are searched before the model is asked, ``CitationsFound`` comes first; a model that searches by itself may find
more later, and each ``CitationsFound`` then holds all so far.
A failure is raised, not an event: the dialect turns it into a status or, after the stream has begun, an in-band error.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import Part

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the ``index``-th call; ``id`` and ``name`` come with its first piece."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool that the server itself carries out: when the model wishes it, when it begins, when it has ended.

    ``waiting``: it begins when a person has said yes. ``arguments`` is JSON text. ``reason`` and ``goal`` are the model's
    own words, where it was asked for them.
    """

    id: str
    name: str
    arguments: str
    state: Literal["created", "waiting", "running", "completed", "failed"]
    result: str = ""
    duration_ms: int = 0
    reason: str | None = None
    goal: str | None = None


@dataclass(frozen=True, slots=True)
class Attached:
    """Pictures, sound or files that a tool made for the person."""

    parts: tuple[Part, ...]
    tool: str


@dataclass(frozen=True, slots=True)
class CitationsFound:
    """The passages given to the model, numbered as the answer's marks number them."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. ``prompt_tokens`` includes ``cached_tokens``; ``estimated`` when no provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Finished:
    """The end. ``model`` is the model that answered, under the name the catalogue knows it by."""

    reason: FinishReason
    usage: Usage
    model: str


Event: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | ToolRun | Attached | CitationsFound | Finished
