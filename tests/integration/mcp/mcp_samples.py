"""What the tests of the MCP client share."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from dragoman.adapters.tools.mcp.client import McpClient
from dragoman.domain.tools.servers.model import ServerAddress
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.tasks import TaskOwner
from dragoman.settings.mcp import McpSettings
from mcp_process import SCRIPT

STDIO_COMMAND = [sys.executable, str(SCRIPT), "stdio"]
# Programs of tests start slowly on a busy machine; what waiting is about has its own, short ones.
SETTINGS: dict[str, Any] = {"connect_seconds": 30, "call_seconds": 30, "commands": {"sample": STDIO_COMMAND}}


@asynccontextmanager
async def mcp_client(*allow: str, **settings: Any) -> AsyncGenerator[McpClient]:
    """A client that may call these addresses, by default this machine."""
    tasks = TaskOwner()
    policy = EgressPolicy.parse(allow or ("127.0.0.1",))
    yield McpClient(McpSettings.model_validate(SETTINGS | settings), policy, tasks)
    await tasks.close()


def at(url: str, account: str = "account", name: str = "sample", **headers: str) -> ServerAddress:
    """The address of a server."""
    return ServerAddress(name, url, account, {name.replace("_", "-"): text for name, text in headers.items()})
