"""The addresses at which other programs find this server's tools, by streamable HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dragoman.dialects.mcp.headers import Headers
from dragoman.dialects.mcp.offers import Offer, collections, everything, inference
from dragoman.dialects.mcp.protocol import (
    INVALID_REQUEST,
    PARSE_ERROR,
    REFUSED,
    RpcError,
    RpcRequest,
    answered,
    read_request,
    status_of,
)
from dragoman.dialects.mcp.tools import OfferedTool
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, Forbidden, NotFound, TooLarge, Unauthenticated
from dragoman.kit.jsontypes import JsonValue
from dragoman.kit.tasks import TaskOwner

# After so long without an answer the client gets a stream, so that nothing on the way believes the connection dead.
_QUIET_SECONDS = 5.0
_PING_SECONDS = 15.0
_MOST_IN_ONE = 50
_STREAM = "text/event-stream"


async def _caller(request: Request, services: Services) -> Caller:
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated("An API key is needed: send it as 'Authorization: Bearer <key>'.")
    caller = await services.accounts.keys.authenticate_slow(credential)
    if caller.key_kind != "private":
        raise Forbidden("A public key may not be used here; use a private one.", code="private_key_needed")
    return caller


async def _body(request: Request, most: int) -> JsonValue:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > most:
            raise TooLarge(f"The body is larger than {most} bytes.")
    try:
        return orjson.loads(bytes(pieces))
    except orjson.JSONDecodeError as error:
        raise RpcError(PARSE_ERROR, f"The body is not JSON: {error}.") from error


async def _served(offer: Offer, request: Request) -> Response:
    if request.method != "POST":
        # There is no stream of news to listen to, and no session to end.
        return Response(status_code=405, headers={"allow": "POST"})
    services: Services = request.app.state.services
    caller = await _caller(request, services)
    message = await _body(request, services.settings.server.max_body_bytes)
    headers = Headers(request.headers)

    async def tools() -> list[OfferedTool]:
        return await offer(services, caller, headers)

    if not isinstance(message, list):
        asked = read_request(message, request.headers)
        return Response(status_code=202) if asked is None else await _one(request, asked, tools)
    if not 1 <= len(message) <= _MOST_IN_ONE:
        raise RpcError(INVALID_REQUEST, f"A batch has 1 to {_MOST_IN_ONE} messages.")
    several = [read_request(one, request.headers) for one in message]
    answers = [await answered(one, tools) for one in several if one is not None]
    return _json(answers) if answers else Response(status_code=202)


async def _one(
    request: Request, asked: RpcRequest, tools: Callable[[], Awaitable[list[OfferedTool]]]
) -> Response:
    tasks: TaskOwner = request.app.state.tasks
    task = tasks.start(answered(asked, tools), name="mcp.answer")
    accepts_stream = _STREAM in request.headers.get("accept", "").lower()
    try:
        done, _ = await asyncio.wait({task}, timeout=_QUIET_SECONDS if accepts_stream else None)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        answer = await task
        return _json(answer, status_of(answer, modern=asked.modern))
    return StreamingResponse(
        _streamed(task), media_type=_STREAM, headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
    )


async def _streamed(task: asyncio.Task[dict[str, JsonValue]]) -> AsyncGenerator[bytes]:
    try:
        while not task.done():
            yield b": still at work\n\n"
            await asyncio.wait({task}, timeout=_PING_SECONDS)
        yield b"event: message\ndata: " + orjson.dumps(await task) + b"\n\n"
    finally:
        if not task.done():
            # The client has gone: nobody waits for the answer.
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, RpcError):
        return _json(error.body(None), 400)
    if isinstance(error, HTTPException):
        error = NotFound(f"There is no MCP server at {request.url.path}.")
    if not isinstance(error, DragomanError):
        error = DragomanError("The server failed to carry this out; the request id names the log entry.")
    response = _json(RpcError(REFUSED, error.detail, {"code": error.code}).body(None), error.status)
    if isinstance(error, Unauthenticated):
        response.headers["www-authenticate"] = "Bearer"
    if error.retry_after_seconds is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    return response


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


class _OneSlash:
    """Serves an address with and without a slash at its end, never by a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].rstrip("/")
            if path == scope.get("root_path", "").rstrip("/"):
                path += "/"
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


def create_app(services: Services, tasks: TaskOwner) -> Starlette:
    """The application, to be mounted under ``/mcp`` and ``/v1/mcp``."""
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(
        routes=[
            Route("/", partial(_served, everything), methods=methods),
            Route("/collections", partial(_served, collections), methods=methods),
            Route("/inference", partial(_served, inference), methods=methods),
        ],
        middleware=[
            Middleware(_OneSlash),
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
            ),
        ],
        exception_handlers={
            RpcError: _refused,
            DragomanError: _refused,
            HTTPException: _refused,
            ClientDisconnect: _gone,
            Exception: _refused,
        },
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.tasks = tasks
    return app
