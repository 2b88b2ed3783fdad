"""What an agent's worker is asked, and what it may answer: it sees messages and tool calls before they go on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.tools.spec import CallbackTool, RemoteSource
from dragoman.kit.jsontypes import JsonObject, JsonValue

Clearable: TypeAlias = Literal["messages", "meta", "system", "tools", "skills", "all"]


@dataclass(frozen=True, slots=True)
class HookScope:
    """Whose worker is asked, about whom. ``source`` is its address or its script, ``env`` what a script is given."""

    caller: Caller
    source: str
    agent_id: str | None
    origin: str
    person: str | None
    metadata: Mapping[str, str]
    env: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Clear:
    """Takes away all of one kind: messages but the system's, what is known of the request, system text, tools, skills."""

    what: Clearable


@dataclass(frozen=True, slots=True)
class AddMessage:
    """Puts a message behind the others; system text behind the system text."""

    message: Message


@dataclass(frozen=True, slots=True)
class RemoveMessage:
    """Takes one of the messages away that the worker was shown; below 0 it counts from the end."""

    index: int


@dataclass(frozen=True, slots=True)
class AddTool:
    """Offers a tool that the caller carries out."""

    tool: ToolSpec


@dataclass(frozen=True, slots=True)
class AddCallback:
    """Offers a tool that is carried out at an address."""

    tool: CallbackTool


@dataclass(frozen=True, slots=True)
class AddToolServer:
    """Offers the tools of a tool server."""

    source: RemoteSource


Edit: TypeAlias = Clear | AddMessage | RemoveMessage | AddTool | AddCallback | AddToolServer


@dataclass(frozen=True, slots=True)
class Received:
    """What the worker says to a message. ``reason`` is for the log; ``edits`` are carried out in their order."""

    allowed: bool
    edits: tuple[Edit, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """What the worker says to a tool call. With ``result`` the tool is not called; ``messages`` follow the result."""

    allowed: bool
    result: str | None = None
    messages: tuple[Message, ...] = ()
    reason: str = ""


class Workers(Protocol):
    """Asks workers. It never raises: a worker that fails has not allowed anything."""

    async def received(self, scope: HookScope, messages: tuple[Message, ...]) -> Received:
        """What the worker says to the messages that are about to go to the model."""
        ...

    async def called(self, scope: HookScope, tool: str, arguments: JsonObject) -> Called:
        """What the worker says to a call of one of the server's tools."""
        ...
