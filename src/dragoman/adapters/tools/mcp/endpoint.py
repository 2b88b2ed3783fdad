"""A server as the engine takes it: every bound and guard of its connection decided."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.domain.tools.model import ToolResult
from dragoman.domain.tools.servers.model import ListedTool, ServerAddress
from dragoman.kit.egress import EgressPolicy, Resolver
from dragoman.kit.jsontypes import JsonObject

STDIO = "stdio:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``command`` None = at ``url``, else a program on this machine. ``changed`` is called when its tools changed."""

    name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...] | None
    policy: EgressPolicy
    resolver: Resolver
    call_seconds: float
    max_answer_bytes: int
    changed: Callable[[], None]


class Connection(Protocol):
    """An open connection to a server."""

    async def tools(self) -> tuple[ListedTool, ...]:
        """The server's tools.

        Raises:
            DragomanError: it did not list them.
        """
        ...

    async def call(self, tool: str, arguments: JsonObject, about: JsonObject) -> ToolResult:
        """What the tool answers.

        Raises:
            DragomanError: it failed.
        """
        ...


class Engine(Protocol):
    """The module that speaks the protocol; it is imported when the first server is asked."""

    def connected(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Connection]:
        """An open connection.

        Raises:
            DragomanError: there is none to be had, or it broke off.
        """
        ...


def key_of(address: ServerAddress) -> str:
    """What tells servers apart: the account, the address, and everything that is sent to it; secrets don't show in it."""
    digest = hashlib.sha256(f"{address.account}\n{address.url}".encode())
    for name, text in sorted(address.headers.items()):
        digest.update(f"\n{name}:{text}".encode())
    return digest.hexdigest()
