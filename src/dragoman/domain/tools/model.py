"""What a tool of the server is, and on whose behalf it is offered and called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.asking import Ask
from dragoman.domain.labels.handling import Handling
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import Part, ToolSpec
from dragoman.domain.tools.spec import ToolsSpec
from dragoman.kit.jsontypes import JsonObject

# What a tool can do to the world: look at the server's own data; change it; reach addresses outside; run code.
Risk: TypeAlias = Literal["read", "write", "outside", "execute"]

# Notes one use of something priced: its item, how much of it, and a description.
Charging: TypeAlias = Callable[[str, int, str], None]

# Notes whose tools cannot be offered now, and why.
LeavingOut: TypeAlias = Callable[[str, str], None]


def _unnoted(owner: str, reason: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call.

    ``text`` is what the model gets to read. ``citations``: all passages found so far, when the tool finds passages.
    ``parts`` are pictures, sound and files for the model to look at; ``attachments`` are for the person only.
    """

    text: str
    citations: tuple[Citation, ...] | None = None
    parts: tuple[Part, ...] = ()
    attachments: tuple[Part, ...] = ()


class ServerTool(Protocol):
    """A tool of the server, bound to the scope it was offered in."""

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        ...

    @property
    def owner(self) -> str:
        """Where it comes from, for people: ``built-in functions``, ``MCP source 'crm'``."""
        ...

    @property
    def risk(self) -> Risk:
        """What it can do to the world."""
        ...

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Carries it out. A cancelled call leaves nothing running.

        Raises:
            DragomanError: its sentence is what the model gets to read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolScope:
    """On whose behalf tools are offered and called.

    ``person`` is the end user an agent talks to, None when nobody is known. ``origin`` is where the conversation takes place
    (``api``, ``chat``, a channel), ``conversation_id`` which one it is. ``tools`` are the settings in force: the agent's with
    the request's over them. ``handling`` has the labels of what was used.
    ``ask`` puts a question to the agent's own model, None where it only quotes. ``left_out`` is told of tools that cannot be
    offered now.
    """

    caller: Caller
    agent_id: str | None
    agent_name: str
    tools: ToolsSpec
    charge: Charging
    ask: Ask | None = None
    handling: Handling | None = None
    person: str | None = None
    origin: str = "api"
    conversation_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    left_out: LeavingOut = _unnoted


class ToolSource(Protocol):
    """Gives the tools of one kind that an agent has. It never fails for a tool that cannot work now: that tool's calls do."""

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The tools for this scope, none when the agent has none of this kind.

        Raises:
            DragomanError: the agent's settings cannot be carried out.
        """
        ...
