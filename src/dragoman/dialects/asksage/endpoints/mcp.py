"""The user's MCP servers, and their tools."""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.domain.tools.servers.headers import hidden
from dragoman.domain.tools.servers.model import RegisteredServer, ServerDraft
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonValue

_ID = Field("server_id", "integer", required=True, minimum=0, maximum=2**53, aliases=("id",))
_OTHERS = (Field("server_type"), Field("description"), Field("metadata_json", "json", aliases=("metadata",)))
_WORDS = {"name": "server_name", "url": "server_url", "kind": "server_type", "metadata": "metadata_json"}


def _in_own_words(error: DragomanError) -> DragomanError:
    """The error with the field as this dialect calls it."""
    head, dot, rest = (error.param or "").partition(".")
    if head not in (*_WORDS, "description"):
        return error
    param = _WORDS.get(head, head) + dot + rest
    return InvalidInput(f"'{param}': {error.detail}", param=param, code=error.code)


def _metadata(value: object) -> Mapping[str, JsonValue] | None:
    """The metadata, out of JSON text or as it is; None when it is not given.

    Raises:
        InvalidInput: it is no object.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str | bytes):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(
                f"'metadata_json' is not valid JSON: {error}.", param="metadata_json"
            ) from error
    if not isinstance(value, dict):
        raise InvalidInput("'metadata_json' must be a JSON object.", param="metadata_json")
    return value


@operation(
    "add-mcp-server",
    methods=CHANGE,
    fields=(Field("server_name", required=True), Field("server_url", required=True), *_OTHERS),
)
async def add_mcp_server(call: Call) -> dict[str, object]:
    """The id of a new server; ``headers`` in its metadata are sent with every call, secrets filled in.

    Source: Ask Sage Server API, "Add MCP Server".
    """
    draft = ServerDraft(
        call.inputs.text("server_name").strip(),
        call.inputs.text("server_url").strip(),
        call.inputs.text("server_type"),
        call.inputs.text("description"),
        _metadata(call.inputs.values.get("metadata_json")) or {},
    )
    try:
        number = await call.services.tool_servers.add(call.caller, draft)
    except InvalidInput as error:
        raise _in_own_words(error) from error
    return {"response": "MCP server added", "server_id": number}


@operation(
    "update-mcp-server",
    methods=frozenset({"PUT", "POST"}),
    fields=(_ID, Field("server_name"), Field("server_url"), *_OTHERS),
)
async def update_mcp_server(call: Call) -> dict[str, object]:
    """Changes what is given; metadata values that were shown hidden stay as they are.

    Source: Ask Sage Server API, "Update MCP Server".
    """
    number = call.inputs.integer("server_id") or 0
    metadata = _metadata(call.inputs.values.get("metadata_json"))

    def edit(before: ServerDraft) -> ServerDraft:
        return replace(
            before,
            name=call.inputs.text("server_name").strip() or before.name,
            url=call.inputs.text("server_url").strip() or before.url,
            kind=call.inputs.text("server_type") or before.kind,
            description=call.inputs.text("description") or before.description,
            metadata=before.metadata if metadata is None else metadata,
        )

    try:
        await call.services.tool_servers.update(call.caller, number, edit)
    except InvalidInput as error:
        raise _in_own_words(error) from error
    return {"response": "MCP server updated", "server_id": number}


@operation("delete-mcp-server", methods=frozenset({"DELETE", "POST"}), fields=(_ID,))
async def delete_mcp_server(call: Call) -> dict[str, object]:
    """Makes a server inactive.

    Source: Ask Sage Server API, "Delete MCP Server".
    """
    number = call.inputs.integer("server_id") or 0
    await call.services.tool_servers.delete(call.caller, number)
    return {"response": "MCP server deleted", "server_id": number}


def _listed(server: RegisteredServer) -> dict[str, object]:
    return {
        "id": server.number,
        "server_name": server.draft.name,
        "server_url": server.draft.url,
        "server_type": server.draft.kind,
        "description": server.draft.description,
        "metadata_json": orjson.dumps(hidden(server.draft.metadata)).decode(),
        "is_active": server.active,
        "created_at": http_date(server.created_at),
        "updated_at": http_date(server.updated_at),
    }


@operation("list-mcp-servers", methods=READ, fields=(Field("include_inactive", "boolean", default=False),))
async def list_mcp_servers(call: Call) -> dict[str, object]:
    """The caller's servers, what may be secret in their metadata hidden.

    Source: Ask Sage Server API, "List MCP Servers".
    """
    servers = await call.services.tool_servers.select(
        call.caller, inactive=call.inputs.flag("include_inactive")
    )
    return {"response": [_listed(server) for server in servers], "count": len(servers)}


@operation("list-mcp-whitelisted-servers", methods=READ)
async def list_mcp_whitelisted_servers(call: Call) -> dict[str, object]:
    """The names of the servers on the operator's list; while it is empty, any public server may be added.

    Source: Ask Sage Server API, "List MCP Whitelisted Servers".
    """
    return {"response": sorted(call.services.settings.mcp.whitelist)}


def _named(server: RegisteredServer) -> dict[str, object]:
    return {"id": server.number, "server_name": server.draft.name, "server_url": server.draft.url}


@operation("list-mcp-tools", methods=READ)
async def list_mcp_tools(call: Call) -> dict[str, object]:
    """The tools of the caller's active servers, which are asked now; those that don't answer are named in ``errors``.

    Source: Ask Sage Server API, "List MCP Tools".
    """
    asked = await call.services.tool_servers.asked(call.caller, anew=True)
    tools = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.parameters,
            "server": _named(one.server),
        }
        for one in asked
        for tool in one.tools
    ]
    return {
        "response": tools,
        "count": len(tools),
        "server": [_named(one.server) for one in asked if one.problem is None],
        "errors": [{**_named(one.server), "error": one.problem} for one in asked if one.problem is not None],
    }
