"""MCP: the client of tool servers, the servers that users register, and the tools that come of both."""

from dataclasses import dataclass

from dragoman.adapters.tools.mcp.client import McpClient
from dragoman.adapters.tools.mcp.words import telling
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.tools.model import ToolSource
from dragoman.domain.tools.servers.service import ToolServersService
from dragoman.domain.tools.servers.source import AgentServers, RegisteredServers
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Mcp:
    """The registered servers and their tools, and all places where runs get the tools of servers from."""

    servers: ToolServersService
    registered: RegisteredServers
    sources: tuple[ToolSource, ...]


def open_mcp(
    settings: Settings,
    *,
    database: Database,
    root_key: RootKey,
    accounts: AccountsService,
    policy: EgressPolicy,
    tasks: TaskOwner,
) -> Mcp:
    """Both; nothing is connected before it is needed."""
    client = McpClient(settings.mcp, policy, tasks)
    about = telling(accounts.nonce)
    servers = ToolServersService(
        database, sealer=root_key.sealer("tools/servers"), accounts=accounts, client=client
    )
    registered = RegisteredServers(servers, about=about)
    return Mcp(servers, registered, (AgentServers(client, secret=accounts.secret, about=about), registered))
