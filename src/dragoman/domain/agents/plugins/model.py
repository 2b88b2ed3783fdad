"""What a plugin is: its fields, what it tells while it works, what comes of it."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from dragoman.domain.knowledge.attached.service import AttachedFile
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, TextDelta, Usage
from dragoman.kit.jsontypes import JsonObject

if TYPE_CHECKING:
    from dragoman.domain.agents.plugins.context import PluginRun

# ``collection`` holds the id of a collection; ``textarea`` may have many lines, ``text`` has one.
FieldKind: TypeAlias = Literal["text", "textarea", "file", "collection"]
# What a plugin asks of the language model: nothing, sentences, or data that other parts work on.
Writing: TypeAlias = Literal["nothing", "prose", "data"]


@dataclass(frozen=True, slots=True)
class PluginField:
    """One field of a plugin."""

    name: str
    description: str
    kind: FieldKind = "text"
    required: bool = False


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """A plugin as people see it. ``for_paying``: kept for paying users unless the operator says otherwise."""

    name: str
    title: str
    category: str
    description: str
    fields: tuple[PluginField, ...]
    writing: Writing = "prose"
    for_paying: bool = False

    @property
    def takes_file(self) -> bool:
        """Whether one of its fields is a file."""
        return any(field.kind == "file" for field in self.fields)

    @property
    def required(self) -> tuple[PluginField, ...]:
        """The fields that must be given."""
        return tuple(field for field in self.fields if field.required)


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file given to a plugin: on disk, or read before (``text``)."""

    name: str
    path: Path | None = None
    media_type: str | None = None
    text: AttachedFile | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the plugin is doing now, in one short sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Added:
    """Something beside the text: figures, rows, addresses of files that were made."""

    values: JsonObject


PluginEvent: TypeAlias = Progress | TextDelta | CitationsFound | Added
PluginWork: TypeAlias = "Callable[[PluginRun], AsyncGenerator[PluginEvent]]"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin: what it is and the function that carries it out."""

    spec: PluginSpec
    work: PluginWork


@dataclass(frozen=True, slots=True)
class PluginOutcome:
    """All that came of a plugin. ``notice`` tells what the reader must know about how it was made."""

    text: str
    added: Mapping[str, object]
    citations: tuple[Citation, ...]
    usage: Usage
    model: str
    notice: str | None = None
