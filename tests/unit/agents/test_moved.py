"""Tools in the shell are called under the rules of their run."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from dragoman.domain.agents.consent import Consent
from dragoman.domain.agents.hooks import Called
from dragoman.domain.agents.moved import MovedRules, MovedTool, Overseer
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ToolResult
from dragoman.kit.errors import Forbidden, InvalidInput
from dragoman.kit.jsontypes import JsonObject


@dataclass(slots=True)
class _Tool:
    owner: str = "a test"
    risk: Risk = "write"
    calls: list[JsonObject] = field(default_factory=list)

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec("pay", None, {"type": "object"})

    async def call(self, arguments: JsonObject) -> ToolResult:
        self.calls.append(arguments)
        if arguments.get("fail"):
            raise InvalidInput("No such account.")
        return ToolResult("paid")


@dataclass(slots=True)
class _Recorder:
    steps: list[tuple[str, str, str]] = field(default_factory=list)

    def step(self, kind: str, name: str, *, state: str, **_more: Any) -> None:
        self.steps.append((kind, name, state))


@dataclass(slots=True)
class _Approval:
    state: str
    id: str = "a1"


@dataclass(slots=True)
class _Consent:
    state: str
    refused: str | None

    def needed(self, _tool: object) -> bool:
        return True

    async def ask(self, _tool: object, _arguments: object, _reason: object) -> _Approval:
        return _Approval("pending")

    async def decided(self, _approval: _Approval) -> _Approval:
        return _Approval(self.state)

    async def refusal(self, _approval: _Approval) -> str | None:
        return self.refused


async def _permit(_name: str, _risk: str) -> None:
    """Nothing is labelled here."""


def _moved(
    tool: _Tool, *, sees: bool = True, said: Called | None = None, consent: _Consent | None = None
) -> tuple[MovedTool, _Recorder]:
    recorder = _Recorder()

    async def hook(_name: str, _arguments: JsonObject) -> Called:
        assert said is not None
        return said

    rules = MovedRules(
        sees=lambda _name: sees,
        recorder=cast("Recorder", recorder),
        hook=hook if said is not None else None,
        consent=cast("Consent | None", consent),
        permit=_permit,
    )
    return MovedTool(tool, Overseer(rules)), recorder


async def test_a_call_is_carried_out_and_recorded() -> None:
    tool = _Tool()
    moved, recorder = _moved(tool)

    assert await moved.call({"amount": 1}) == ToolResult("paid")
    assert tool.calls == [{"amount": 1}]
    assert recorder.steps == [("tool", "pay", "completed")]


async def test_a_failed_call_is_recorded() -> None:
    moved, recorder = _moved(_Tool())

    with pytest.raises(InvalidInput, match="No such account"):
        await moved.call({"fail": True})
    assert recorder.steps == [("tool", "pay", "failed")]


async def test_a_tool_that_is_hidden_now_is_not_called() -> None:
    tool = _Tool()
    moved, _ = _moved(tool, sees=False)

    with pytest.raises(InvalidInput, match="not available now"):
        await moved.call({})
    assert tool.calls == []


async def test_a_tool_of_a_run_without_rules_is_not_called() -> None:
    tool = _Tool()

    with pytest.raises(Forbidden):
        await MovedTool(tool, Overseer()).call({})
    assert tool.calls == []


async def test_the_worker_can_stop_and_answer_a_call() -> None:
    tool = _Tool()
    stopped, recorder = _moved(tool, said=Called(False))
    answered, _ = _moved(tool, said=Called(True, "from the worker"))

    with pytest.raises(Forbidden, match="not allowed"):
        await stopped.call({})
    assert await answered.call({}) == ToolResult("from the worker")
    assert tool.calls == []
    assert recorder.steps == [("worker", "tool.called", "rejected")]


async def test_a_call_waits_for_a_person() -> None:
    tool = _Tool()
    refused, recorder = _moved(tool, consent=_Consent("rejected", "A person declined this call."))
    approved, _ = _moved(tool, consent=_Consent("approved", None))

    with pytest.raises(Forbidden, match="declined"):
        await refused.call({})
    assert tool.calls == []
    assert recorder.steps == [("approval", "pay", "rejected")]
    assert await approved.call({}) == ToolResult("paid")
