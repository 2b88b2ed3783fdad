"""A runner over a scripted model and tools that tests make up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.adapters.models.scripted import ScriptedCall, ScriptedModel, Turn
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.limits import RunLimits
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import AgentRunner, RunnerParts, RunReport, RunRequest
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.agents.traces.model import RunTrace
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.ports import ModelProfile
from dragoman.domain.messages.events import Event
from dragoman.domain.messages.fold import Answer, fold
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.tools.catalogue import ToolCatalogue
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.meter import Meter
from dragoman.kit.jsontypes import JsonObject

CALLER = Caller("o", "u", 1, "ana@example.org", "owner")
TEXT: JsonObject = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "times": {"type": "integer", "minimum": 1}},
    "required": ["text"],
    "additionalProperties": False,
}
Work = Callable[[JsonObject], Awaitable[ToolResult]]


@dataclass
class Tool:
    """A tool that notes its calls."""

    name: str
    work: Work
    risk: Risk = "read"
    parameters: JsonObject = field(default_factory=lambda: TEXT)
    owner: str = "the test"
    calls: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, f"The {self.name} tool.", self.parameters)

    async def call(self, arguments: JsonObject) -> ToolResult:
        self.calls.append(arguments)
        return await self.work(arguments)


def gives(name: str, text: str, **settings: Any) -> Tool:
    """A tool that always says the same."""

    async def work(arguments: JsonObject) -> ToolResult:
        return ToolResult(text)

    return Tool(name, work, **settings)


def echo(name: str = "echo", **settings: Any) -> Tool:
    """A tool that says what it was given."""

    async def work(arguments: JsonObject) -> ToolResult:
        return ToolResult(f"heard {arguments['text']}")

    return Tool(name, work, **settings)


@dataclass
class Source:
    """The tools of a test."""

    offered: Sequence[ServerTool]

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        return self.offered


class Traces:
    """Keeps traces in memory."""

    def __init__(self) -> None:
        self.kept: list[RunTrace] = []
        self.some = asyncio.Event()

    async def keep(self, caller: Caller, trace: RunTrace) -> None:
        self.kept.append(trace)
        self.some.set()


@dataclass
class Bench:
    """The runner and what it left behind."""

    model: ScriptedModel
    runner: AgentRunner
    traces: Traces
    report: RunReport = field(default_factory=RunReport)

    async def events(self, spec: AgentSpec | None = None, **request: Any) -> list[Event]:
        self.report = RunReport()
        asked = RunRequest((Message.of_text("user", "go"),), **request)
        agent = ResolvedAgent("a1", "bot", spec or AgentSpec(model="scripted"))
        async with asyncio.timeout(20):
            return [event async for event in self.runner.run(CALLER, agent, asked, self.report)]

    async def answer(self, spec: AgentSpec | None = None, **request: Any) -> Answer:
        return fold(await self.events(spec, **request))

    @property
    def trace(self) -> RunTrace:
        return self.traces.kept[-1]

    def results(self, asked: int = -1) -> list[str]:
        """The tool results that the model was shown in one of its calls."""
        return [turn.text for turn in self.model.requests[asked].messages if turn.role == "tool"]

    def system(self, asked: int = -1) -> str:
        first = self.model.requests[asked].messages[0]
        return first.text if first.role == "system" else ""


def bench(
    folder: Path,
    turns: Sequence[Turn],
    *tools: ServerTool,
    limits: RunLimits | None = None,
    profile: ModelProfile | None = None,
    **parts: Any,
) -> Bench:
    """A runner whose model plays these turns and has these tools."""
    model = ScriptedModel("scripted", turns, profile=profile)
    traces = Traces()
    runner = AgentRunner(
        catalogue=Catalogue({"scripted": model}, "scripted"),
        agents=None,  # pyright: ignore[reportArgumentType]
        retriever=None,  # pyright: ignore[reportArgumentType]
        endpoints=None,  # pyright: ignore[reportArgumentType]
        meter=Meter(Journal(folder)),
        parts=RunnerParts(
            tools=ToolCatalogue([Source(tools)]),
            limits=limits or RunLimits(),
            traces=traces,  # pyright: ignore[reportArgumentType]
            **parts,
        ),
    )
    return Bench(model, runner, traces)


def calls(*named: tuple[str, str]) -> Turn:
    """A turn that calls tools with arguments as the model wrote them."""
    return Turn(tool_calls=tuple(ScriptedCall(name=name, arguments=given) for name, given in named))


def says(text: str) -> Turn:
    """A turn of text."""
    return Turn(text=text)
