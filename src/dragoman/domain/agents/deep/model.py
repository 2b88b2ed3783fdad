"""A research as it is kept: what was asked, how far it has come, what it told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from dragoman.domain.messages.citations import Citation
from dragoman.kit.jsontypes import JsonObject, JsonValue

DeepState: TypeAlias = Literal["working", "done", "failed", "cancelled"]
Stage: TypeAlias = Literal["plan", "read", "check", "write"]
# ``status``: what is done now; ``source``: something found; ``note``: what was read out of it; ``answer`` and ``error``: an end.
UpdateKind: TypeAlias = Literal["question", "status", "plan", "source", "note", "answer", "error"]

_FROZEN = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class DeepSettings(BaseModel):
    """What a research was asked to do. ``live``: 0 = no web, 1 = search it, 2 = read pages as well."""

    model_config = _FROZEN

    model: str
    collection_ids: tuple[str, ...] = ()
    live: int = 0
    system_prompt: str = ""
    dialect: str = "native"
    application: str | None = None
    address: str = ""


class Source(BaseModel):
    """A passage or page that was found, under the number that marks refer to."""

    model_config = _FROZEN

    number: int
    key: str
    title: str
    text: str
    url: str | None = None
    collection_id: str = ""
    document_id: str = ""
    page: int | None = None
    score: float = 0.0
    context: str | None = None
    label: str | None = None
    metadata: dict[str, str | int | float | bool | None] = {}

    def citation(self, number: int) -> Citation:
        """The source as a reference of that number."""
        return Citation(
            number=number,
            collection_id=self.collection_id,
            document_id=self.document_id,
            document_name=self.title,
            passage_id=self.key,
            text=self.text,
            char_start=0,
            char_end=len(self.text),
            page=self.page,
            heading_path=(),
            score=self.score,
            metadata=self.metadata,
            context=self.context,
            label=self.label,
        )


class Note(BaseModel):
    """What was read on one question, with ``[n]`` marks."""

    model_config = _FROZEN

    question: str
    text: str


class Exchange(BaseModel):
    """An earlier question of the research and its answer."""

    model_config = _FROZEN

    question: str
    answer: str


class DeepProgress(BaseModel):
    """How far a research has come; each step makes a new one."""

    model_config = _FROZEN

    stage: Stage = "plan"
    questions: tuple[str, ...] = ()
    next_question: int = 0
    checked: bool = False
    sources: tuple[Source, ...] = ()
    notes: tuple[Note, ...] = ()
    history: tuple[Exchange, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    web_problem: str | None = None


@dataclass(frozen=True, slots=True)
class DeepRun:
    """A research. ``number`` is what its owner knows it by."""

    number: int
    organisation_id: str
    user_id: str
    state: DeepState
    turn: int
    question: str
    settings: DeepSettings
    progress: DeepProgress
    updates: int
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class DeepUpdate:
    """Something a research told. ``last``: nothing comes after it, unless the research is gone on with."""

    sequence: int
    at: int
    kind: UpdateKind
    payload: JsonObject
    last: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An update before it has a place."""

    kind: UpdateKind
    payload: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class DeepAnswer:
    """The end of a question: its text, and its references numbered as the marks in the text."""

    text: str
    citations: tuple[Citation, ...]
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step did. ``answer`` is set by the last one."""

    progress: DeepProgress
    told: tuple[Told, ...]
    answer: DeepAnswer | None = None
