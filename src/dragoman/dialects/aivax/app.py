"""The AIVAX dialect as an application mounted under ``/api/v1``, with its own errors and OpenAPI document."""

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dragoman.dialects.aivax.endpoints import (
    accounts,
    api_keys,
    approvals,
    channel_watch,
    channels,
    chat_attachments,
    chat_clients,
    chat_passages,
    chat_search,
    chat_speech,
    collections,
    conversations,
    document_access,
    documents,
    gateways,
    hosted,
    information,
    limits,
    memories,
    public_chat,
    query,
    runs,
    schedules,
    session_takeover,
    sessions,
    shell_io,
    skills,
    web,
)
from dragoman.dialects.aivax.envelope import json_response
from dragoman.dialects.aivax.errors import MethodNotAllowedError, render, render_crash
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

log = structlog.get_logger(__name__)

# Later groups add their module here; paths with fixed words come before those with parameters.
ENDPOINTS = (
    accounts,
    api_keys,
    collections,
    documents,
    document_access,
    query,
    gateways,
    conversations,
    information,
    skills,
    memories,
    shell_io,
    hosted,
    chat_search,
    chat_clients,
    channel_watch,
    channels,
    sessions,
    session_takeover,
    schedules,
    public_chat,
    chat_passages,
    chat_attachments,
    chat_speech,
    approvals,
    limits,
    runs,
    web,
)


def _response(request: Request, error: DragomanError, headers: dict[str, str] | None = None) -> Response:
    status, own, body = render(error)
    return json_response(body, status=status, headers={**own, **(headers or {})})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    return _response(request, error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal: DragomanError
    if error.status_code == 404:
        refusal = NotFound(f"There is no {request.url.path} here.", code="unknown_url")
    elif error.status_code == 405:
        refusal = MethodNotAllowedError(f"{request.url.path} does not take {request.method}.")
    else:
        refusal = InvalidInput(str(error.detail))
    return _response(request, refusal, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    path = ".".join(str(step) for step in problem["loc"][1:])
    return _response(request, InvalidInput(f"{path}: {problem['msg']}", param=path or None))


class CrashBoundary:
    """Answers an unknown failure with 500 and a request id, and logs it once under that id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            log.info("aivax.client_gone", path=scope.get("path"))
        except Exception:
            request_id = _request_id()
            log.exception("aivax.crashed", path=scope.get("path"), request_id=request_id)
            if started:
                raise
            status, body = render_crash(request_id)
            await json_response(body, status=status)(scope, receive, send)


def _request_id() -> str:
    """The id that the front gave to the request, or a new one when there is no front."""
    return str(structlog.contextvars.get_contextvars().get("request_id") or uuid7())


def create_app(services: Services) -> FastAPI:
    """The application; ``services`` are reached through its state."""
    app = FastAPI(
        title="Dragoman: AIVAX dialect", version="1", docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.services = services
    for module in ENDPOINTS:
        app.include_router(module.router)
    app.add_middleware(CrashBoundary)
    app.add_exception_handler(DragomanError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app
