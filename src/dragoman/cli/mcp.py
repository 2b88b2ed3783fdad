"""``dragoman mcp``."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence

import orjson

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for
from dragoman.domain.tools.servers.model import ListedTool, RegisteredServer, ServerDraft
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "url", "description", "updated_at")
_SHOWN_CHARACTERS = 80
_SECONDS = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``add``, ``test`` and ``delete``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list a user's MCP servers")
    add = add_action(actions, "add", "register an MCP server for a user")
    add.add_argument("name", metavar="NAME")
    add.add_argument("url", metavar="URL", help="its address, or stdio:NAME for a program of mcp.commands")
    add.add_argument("--description", metavar="TEXT", default="")
    add.add_argument(
        "--header",
        metavar="NAME=TEXT",
        action="append",
        default=[],
        help="sent with every call; {{secret:NAME}} in it stands for a secret of the user",
    )
    test = add_action(actions, "test", "ask a server for its tools, and call one of them")
    test.add_argument("server", metavar="SERVER", help="name or id")
    test.add_argument("--call", metavar="TOOL", help="a tool to call")
    test.add_argument("--arguments", metavar="JSON", default="{}", help="arguments of that call")
    delete = add_action(actions, "delete", "delete an MCP server of a user")
    delete.add_argument("server", metavar="SERVER", help="name or id")
    for action, run in ((listing, _list), (add, _add), (test, _test), (delete, _delete)):
        add_email(action)
        action.set_defaults(run=run)


def _shown(server: RegisteredServer) -> dict[str, object]:
    return {
        "id": server.number,
        "name": server.draft.name,
        "url": server.draft.url,
        "description": server.draft.description,
        "updated_at": iso(server.updated_at),
    }


def _list(arguments: argparse.Namespace) -> int:
    rows = [_shown(one) for one in asyncio.run(_all(read_settings(arguments).settings, arguments.email))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _all(settings: Settings, email: str | None) -> list[RegisteredServer]:
    async with open_services(settings) as services:
        return await services.tool_servers.select(await caller_for(services, email))


def _headers(given: Sequence[str]) -> dict[str, JsonValue]:
    headers: dict[str, JsonValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidInput(f"--header takes NAME=TEXT, not {text!r}.")
        headers[name.strip()] = value
    return headers


def _add(arguments: argparse.Namespace) -> int:
    headers = _headers(arguments.header)
    metadata: Mapping[str, JsonValue] = {"headers": headers} if headers else {}
    draft = ServerDraft(arguments.name, arguments.url, "", arguments.description, metadata)
    number = asyncio.run(_added(read_settings(arguments).settings, arguments.email, draft))
    if arguments.json:
        print_json({"id": number, "name": draft.name})
    else:
        print(f"registered MCP server {draft.name} (id {number}); try: dragoman mcp test {number}")
    return 0


async def _added(settings: Settings, email: str | None, draft: ServerDraft) -> int:
    async with open_services(settings) as services:
        return await services.tool_servers.add(await caller_for(services, email), draft)


def _test(arguments: argparse.Namespace) -> int:
    tools, answer = asyncio.run(_tested(read_settings(arguments).settings, arguments))
    rows = [
        {"tool": tool.name, "description": " ".join(tool.description.split())[:_SHOWN_CHARACTERS]}
        for tool in tools
    ]
    if arguments.json:
        print_json({"tools": rows} if answer is None else {"tools": rows, "answer": answer})
    elif answer is not None:
        print(answer)
    else:
        print_table(rows, ("tool", "description"))
    return 0


async def _tested(
    settings: Settings, arguments: argparse.Namespace
) -> tuple[Sequence[ListedTool], str | None]:
    try:
        given = orjson.loads(arguments.arguments)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"--arguments is not valid JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput("--arguments takes a JSON object.")
    # Whoever tests a server rather waits for it than for the next answer.
    patient = settings.mcp.model_copy(update={"connect_seconds": max(settings.mcp.connect_seconds, _SECONDS)})
    async with open_services(settings.model_copy(update={"mcp": patient})) as services:
        caller = await caller_for(services, arguments.email)
        servers = services.tool_servers
        server = _named(await servers.select(caller), arguments.server)
        address = await servers.address(caller, server)
        tools = await servers.client.tools(address, anew=True)
        if arguments.call is None:
            return tools, None
        result = await servers.client.call(address, arguments.call, given, about={}, session="test")
        return tools, result.text


def _delete(arguments: argparse.Namespace) -> int:
    server = asyncio.run(_deleted(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"deleted": server.number})
    else:
        print(f"deleted MCP server {server.draft.name}")
    return 0


async def _deleted(settings: Settings, arguments: argparse.Namespace) -> RegisteredServer:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        server = _named(await services.tool_servers.select(caller), arguments.server)
        await services.tool_servers.delete(caller, server.number)
        return server


def _named(servers: Sequence[RegisteredServer], wanted: str) -> RegisteredServer:
    found = [one for one in servers if wanted in (one.draft.name, str(one.number))]
    if not found:
        raise InvalidInput(f"There is no MCP server {wanted!r}; 'dragoman mcp list' shows those there are.")
    if len(found) > 1:
        numbers = ", ".join(str(one.number) for one in found)
        raise InvalidInput(f"Several MCP servers are called {wanted!r}; name one by its id: {numbers}.")
    return found[0]
