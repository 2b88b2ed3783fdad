"""The messages of the Model Context Protocol, from the side of the server: stateless, one request in, one answer out.

Two eras of the protocol are spoken: the one that begins with ``initialize``, and the one of 2026-07-28, in which every request
says all about itself.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from dragoman import __version__
from dragoman.dialects.mcp.tools import OfferedTool
from dragoman.kit.errors import DragomanError
from dragoman.kit.jsontypes import JsonObject, JsonValue

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"
SUPPORTED = (*HANDSHAKE_VERSIONS, MODERN_VERSION)
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
REFUSED, HEADER_MISMATCH, UNSUPPORTED_VERSION = -32000, -32020, -32022
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    METHOD_NOT_FOUND: 404,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
}
_META = "io.modelcontextprotocol/"
_SERVER = {"name": "dragoman", "title": "Dragoman", "version": __version__}
_CAPABILITIES: dict[str, JsonValue] = {"tools": {"listChanged": False}}
_LISTS = {
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}

Tools = Callable[[], Awaitable[Sequence[OfferedTool]]]


class RpcError(Exception):
    """A request that is answered with an error of the protocol."""

    def __init__(self, code: int, message: str, data: JsonValue = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def body(self, request_id: JsonValue) -> dict[str, JsonValue]:
        """The message that answers the request."""
        error: dict[str, JsonValue] = {"code": self.code, "message": str(self)}
        if self.data is not None:
            error["data"] = self.data
        return {"jsonrpc": "2.0", "id": request_id, "error": error}


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """One request. ``modern``: it says all about itself."""

    id: JsonValue
    method: str
    params: JsonObject
    modern: bool


def status_of(body: JsonObject, *, modern: bool) -> int:
    """The HTTP status of an answer; only the newer era has its errors shown there."""
    error = body.get("error")
    if not modern or not isinstance(error, Mapping):
        return 200
    code = error.get("code")
    return _STATUS.get(code, 200) if isinstance(code, int) else 200


def read_request(message: JsonValue, headers: Mapping[str, str]) -> RpcRequest | None:
    """The request; None for what wants no answer.

    Raises:
        RpcError: the message is none of the protocol.
    """
    if not isinstance(message, Mapping) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "The body must be a JSON-RPC 2.0 message.")
    method, request_id = message.get("method"), message.get("id")
    if "id" not in message or ("method" not in message and ("result" in message or "error" in message)):
        return None
    if not isinstance(method, str) or isinstance(request_id, bool) or not isinstance(request_id, str | int):
        raise RpcError(
            INVALID_REQUEST, "A request needs a method, and an id that is a text or a whole number."
        )
    params = message.get("params")
    if params is not None and not isinstance(params, Mapping):
        raise RpcError(INVALID_PARAMS, "params must be an object.")
    request = RpcRequest(request_id, method, params or {}, _is_modern(params or {}, headers))
    if request.modern:
        _check_modern(request, headers)
    return request


def _meta(params: JsonObject) -> JsonObject:
    meta = params.get("_meta")
    return meta if isinstance(meta, Mapping) else {}


def _is_modern(params: JsonObject, headers: Mapping[str, str]) -> bool:
    version = headers.get("mcp-protocol-version")
    if f"{_META}protocolVersion" in _meta(params):
        return True
    return version is not None and version not in HANDSHAKE_VERSIONS


def _check_modern(request: RpcRequest, headers: Mapping[str, str]) -> None:
    meta = _meta(request.params)
    missing = [name for name in ("protocolVersion", "clientCapabilities") if f"{_META}{name}" not in meta]
    version = meta.get(f"{_META}protocolVersion", headers.get("mcp-protocol-version"))
    if isinstance(version, str) and version != MODERN_VERSION and not version.startswith("2026"):
        raise _unsupported(version)
    if missing:
        raise RpcError(INVALID_PARAMS, f"params._meta misses {', '.join(_META + name for name in missing)}.")
    for header, value in (("mcp-protocol-version", version), ("mcp-method", request.method)):
        if headers.get(header) != value:
            raise RpcError(HEADER_MISMATCH, f"The header {header} does not fit the request.")
    name = request.params.get("name")
    if request.method == "tools/call" and name is not None and _decoded(headers.get("mcp-name")) != name:
        raise RpcError(HEADER_MISMATCH, "The header mcp-name does not fit the request.")
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, "The protocol version must be a text.")
    if version != MODERN_VERSION:
        raise _unsupported(version)


def _unsupported(version: str) -> RpcError:
    return RpcError(
        UNSUPPORTED_VERSION,
        f"The protocol version {version!r} is not spoken here.",
        {"supported": list(SUPPORTED), "requested": version},
    )


def _decoded(value: str | None) -> str | None:
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


async def answered(request: RpcRequest, tools: Tools) -> dict[str, JsonValue]:
    """The message that answers the request."""
    try:
        result = await _result(request, tools)
    except RpcError as error:
        return error.body(request.id)
    except DragomanError as error:
        # What the client has set up cannot be carried out.
        code = INVALID_PARAMS if error.status in (400, 404) else REFUSED
        return RpcError(code, error.detail, {"code": error.code}).body(request.id)
    if request.modern:
        result = {**result, "resultType": "complete", "_meta": {f"{_META}serverInfo": _SERVER}}
    return {"jsonrpc": "2.0", "id": request.id, "result": result}


async def _result(request: RpcRequest, tools: Tools) -> dict[str, JsonValue]:
    match request.method:
        case "initialize" if not request.modern:
            # Whoever has set something up wrongly is told so at once.
            await tools()
            wanted = request.params.get("protocolVersion")
            version = wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
            return {"protocolVersion": version, "capabilities": _CAPABILITIES, "serverInfo": _SERVER}
        case "server/discover" if request.modern:
            await tools()
            return {"supportedVersions": list(SUPPORTED), "capabilities": _CAPABILITIES, **_fresh()}
        case "ping":
            return {}
        case "tools/list":
            listed: list[JsonValue] = [tool.listed() for tool in await tools()]
            return {"tools": listed, **(_fresh() if request.modern else {})}
        case "tools/call":
            return await _called(request, await tools())
        case method if method in _LISTS:
            return {_LISTS[method]: [], **(_fresh() if request.modern else {})}
        case method:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method {method!r} here.")


def _fresh() -> dict[str, JsonValue]:
    return {"ttlMs": 0, "cacheScope": "private"}


async def _called(request: RpcRequest, tools: Sequence[OfferedTool]) -> dict[str, JsonValue]:
    name, arguments = request.params.get("name"), request.params.get("arguments")
    if not isinstance(name, str):
        raise RpcError(INVALID_PARAMS, "params.name must name a tool.")
    if arguments is not None and not isinstance(arguments, Mapping):
        raise RpcError(INVALID_PARAMS, "params.arguments must be an object.")
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {name[:200]}")
    try:
        text, failed = await tool.run(arguments or {}), False
    except DragomanError as error:
        text, failed = error.detail, True
    return {"content": [{"type": "text", "text": text}], "isError": failed}
