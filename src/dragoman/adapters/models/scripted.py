"""A model that says what a script tells it to: for tests, demonstrations and clients under development."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dragoman.domain.inference.ports import ChatRequest, ModelProfile
from dragoman.domain.messages.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.kit.errors import InvalidInput, ProviderError, QuotaExceeded, Unavailable

_CHARACTERS_PER_TOKEN = 4
_PIECE = re.compile(r"\S+\s*|\s+")
_FILE_BYTES = 1 << 20


class ScriptedCall(BaseModel):
    """A tool call; ids are ``call_1``, ``call_2`` … within the answer unless given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arguments: str = "{}"
    id: str | None = None


class ScriptedUsage(BaseModel):
    """Token counts that are reported as if a provider had counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)


class Turn(BaseModel):
    """One answer. ``text`` may hold ``{question}``, the last user text. ``error`` comes after the first
    ``error_after`` pieces.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish_reason: FinishReason | None = None
    delay_seconds: float = Field(default=0, ge=0, le=60)
    usage: ScriptedUsage | None = None
    error: Literal["provider", "retryable", "quota", "invalid", "unavailable"] | None = None
    error_message: str = "The script says so."
    error_after: int = Field(default=0, ge=0)


class Rule(Turn):
    """An answer for questions that a regular expression is found in."""

    match: str


class Script(BaseModel):
    """``rules`` are tried first, in their order; else the next of ``turns``; after the last of them the
    question comes back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = ()
    turns: tuple[Turn, ...] = ()


_SCRIPT: TypeAdapter[Script] = TypeAdapter(Script)
_ECHO = Turn(text="{question}")


def load_script(path: Path) -> Script:
    """The script in a JSON file; blocks while it reads.

    Raises:
        InvalidInput: no such file, or not a script.
    """
    try:
        if path.stat().st_size > _FILE_BYTES:
            raise InvalidInput(f"The script {path} is larger than {_FILE_BYTES >> 20} MB.")
        script = _SCRIPT.validate_json(path.read_bytes())
        for rule in script.rules:
            re.compile(rule.match)
    except OSError as error:
        raise InvalidInput(f"The script {path} cannot be read: {error.strerror}.") from error
    except (ValidationError, re.error) as error:
        raise InvalidInput(f"{path} is not a script: {error}") from error
    return script


@dataclass(slots=True)
class _Count:
    characters: int = 0


class ScriptedModel:
    """Plays a script; the same requests in the same order always get the same answers.

    ``requests`` holds what it was asked, ``closed_early`` how many answers were broken off by who asked.
    """

    def __init__(
        self,
        name: str = "scripted",
        script: Script | Sequence[Turn] = (),
        *,
        profile: ModelProfile | None = None,
    ) -> None:
        self._name = name
        self._script = script if isinstance(script, Script) else Script(turns=tuple(script))
        self._rules = [
            (re.compile(rule.match, re.IGNORECASE | re.DOTALL), rule) for rule in self._script.rules
        ]
        self._next_turn = 0
        self._profile = profile or ModelProfile(context_tokens=128_000, images=True)
        self.requests: list[ChatRequest] = []
        self.closed_early = 0

    @property
    def name(self) -> str:
        """The name the catalogue lists it by."""
        return self._name

    @property
    def profile(self) -> ModelProfile:
        """Facts about the model."""
        return self._profile

    async def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """The script's answer, piece by piece.

        Raises:
            DragomanError: the script wants one.
        """
        self.requests.append(request)
        question = next(
            (message.text for message in reversed(request.messages) if message.role == "user"), ""
        )
        turn = self._turn(question)
        count = _Count()
        try:
            for place, event in enumerate(_events(turn, question)):
                if turn.error is not None and place == turn.error_after:
                    break
                if turn.delay_seconds:
                    await asyncio.sleep(turn.delay_seconds)
                count.characters += _length(event)
                yield event
            if turn.error is not None:
                raise _error(turn)
        except (GeneratorExit, asyncio.CancelledError):
            self.closed_early += 1
            raise
        reason = turn.finish_reason or ("tool_calls" if turn.tool_calls else "stop")
        yield Finished(reason, _usage(turn, request, count.characters), self._name)

    def _turn(self, question: str) -> Turn:
        for pattern, rule in self._rules:
            if pattern.search(question):
                return rule
        if self._next_turn < len(self._script.turns):
            self._next_turn += 1
            return self._script.turns[self._next_turn - 1]
        return _ECHO


def _events(turn: Turn, question: str) -> Iterator[Event]:
    for piece in _PIECE.findall(turn.reasoning):
        yield ReasoningDelta(piece)
    for piece in _PIECE.findall(turn.text.replace("{question}", question)):
        yield TextDelta(piece)
    for index, call in enumerate(turn.tool_calls):
        middle = len(call.arguments) // 2
        yield ToolCallDelta(index, call.id or f"call_{index + 1}", call.name, call.arguments[:middle])
        yield ToolCallDelta(index, arguments=call.arguments[middle:])


def _length(event: Event) -> int:
    if isinstance(event, TextDelta | ReasoningDelta):
        return len(event.text)
    return len(event.arguments) if isinstance(event, ToolCallDelta) else 0


def _usage(turn: Turn, request: ChatRequest, characters: int) -> Usage:
    if turn.usage is not None:
        return Usage(**turn.usage.model_dump())
    prompt = sum(len(message.text) for message in request.messages)
    return Usage(-(-prompt // _CHARACTERS_PER_TOKEN), -(-characters // _CHARACTERS_PER_TOKEN), estimated=True)


def _error(turn: Turn) -> Exception:
    match turn.error:
        case "quota":
            return QuotaExceeded(turn.error_message, retry_after_seconds=1)
        case "invalid":
            return InvalidInput(turn.error_message)
        case "unavailable":
            return Unavailable(turn.error_message)
        case _:
            return ProviderError(turn.error_message, retryable=turn.error == "retryable")
