"""Health, version and metrics, and the answer for paths that belong to nobody; errors are RFC 9457 problem documents."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dragoman import __version__
from dragoman.kit.errors import DragomanError, Forbidden, NotFound

ReadyCheck = Callable[[], Awaitable[list[str]]]


def problem(error: DragomanError) -> Response:
    """The error as an RFC 9457 problem document."""
    body = {
        "type": f"urn:dragoman:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    return Response(orjson.dumps(body), error.status, media_type="application/problem+json")


async def _live(request: Request) -> Response:
    """Whether the process answers at all."""
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    """Whether requests can be served; names what stands in the way."""
    check: ReadyCheck = request.app.state.ready
    reasons = await check()
    if reasons:
        return JSONResponse({"status": "not ready", "reasons": reasons}, status_code=503)
    return JSONResponse({"status": "ready"})


async def _version(request: Request) -> Response:
    return JSONResponse({"name": "dragoman", "version": __version__})


def _from_here(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _metrics(request: Request) -> Response:
    """Prometheus metrics, for the bearer of the metrics token, or for this machine when there is none."""
    token: str | None = request.app.state.metrics_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    allowed = hmac.compare_digest(given.encode(), token.encode()) if token else _from_here(request)
    if not allowed:
        raise Forbidden("Metrics need the bearer token of server.metrics_token.")
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _home(request: Request) -> Response:
    lines = [
        f"Dragoman {__version__}",
        "",
        "OpenAI dialect     /v1",
        "AIVAX dialect      /api/v1",
        "Ask Sage dialect   /server and /user",
        "MCP server         /mcp, /v1/mcp/collections, /v1/mcp/inference",
        "Health             /health/live, /health/ready",
        "",
    ]
    return PlainTextResponse("\n".join(lines))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    return problem(error)


class _MethodNotAllowed(DragomanError):
    code = "method_not_allowed"
    title = "Method not allowed"
    status = 405


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(NotFound(f"There is nothing at {request.url.path}."))
    return problem(_MethodNotAllowed(f"{request.url.path} does not take {request.method}."))


async def _crashed(request: Request, error: Exception) -> Response:
    return problem(DragomanError("The server failed to carry this out; the request id names the log entry."))


def create_app(*, ready: ReadyCheck, registry: CollectorRegistry, metrics_token: str | None) -> Starlette:
    """The application; ``ready`` gives the reasons why the server is not."""
    app = Starlette(
        routes=[
            Route("/", _home),
            Route("/health/live", _live),
            Route("/health/ready", _ready),
            Route("/version", _version),
            Route("/metrics", _metrics),
        ],
        exception_handlers={DragomanError: _refused, HTTPException: _unrouted, Exception: _crashed},
    )
    app.state.ready = ready
    app.state.registry = registry
    app.state.metrics_token = metrics_token
    return app
