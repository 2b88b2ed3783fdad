"""Tool servers as they are registered, addressed and asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.domain.tools.model import ToolResult
from dragoman.kit.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """What somebody writes of a server. ``metadata`` may hold ``headers``, which are sent with every call."""

    name: str
    url: str
    kind: str = ""
    description: str = ""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """A server of one user. Times are in milliseconds; an inactive one has been deleted."""

    number: int
    draft: ServerDraft
    active: bool
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is and what it is sent. ``name`` is for people; what is kept of it is kept for ``account`` alone."""

    name: str
    url: str
    account: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    fresh_seconds: float = 600


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as its server describes it; ``parameters`` is a JSON Schema."""

    name: str
    description: str
    parameters: JsonObject


class ServerClient(Protocol):
    """Speaks with tool servers."""

    async def tools(self, address: ServerAddress, *, anew: bool = False) -> Sequence[ListedTool]:
        """The server's tools, as last listed while that is fresh; ``anew`` asks the server in any case.

        Raises:
            DragomanError: it cannot be asked, or did not answer in time.
        """
        ...

    async def call(
        self, address: ServerAddress, tool: str, arguments: JsonObject, *, about: JsonObject, session: str
    ) -> ToolResult:
        """What the tool answers. ``about`` tells the server of the call; calls of one ``session`` share a connection.

        Raises:
            DragomanError: the tool failed, or the server; the sentence says how.
        """
        ...

    def check(self, address: ServerAddress) -> None:
        """Refuses a server that may never be called from here.

        Raises:
            InvalidInput: the address is none, or not on the operator's list.
        """
        ...
