"""The voice playground dialect as an application mounted under ``/api/v1/playground``."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from dragoman.dialects.playground.endpoints import agents, chat_calls, offer, socket, tokens
from dragoman.dialects.playground.errors import error_body, render
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.gcra import RateLimit

_USUAL_BURST = 10


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    status, headers, body = render(error)
    return JSONResponse(body, status_code=status, headers=headers)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    there = f"{request.method} {request.url.path} does not exist here."
    if error.status_code == 404:
        refusal: DragomanError = NotFound(there, code="unknown_url")
    else:
        refusal = InvalidInput(there, code="method_not_allowed")
    return JSONResponse(error_body(refusal), status_code=error.status_code, headers=error.headers)


async def _crashed(request: Request, error: Exception) -> Response:
    failure = DragomanError("The server failed to carry this out; the request id names the log entry.")
    return JSONResponse(error_body(failure), status_code=500)


async def _hung_up(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def create_app(services: Services) -> FastAPI:
    """The application with its own errors and OpenAPI document; pages of any origin may call it."""
    app = FastAPI(
        title="Dragoman: voice playground dialect",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    # Documents are made without services.
    per_minute = services.settings.voice.public_per_minute if services is not None else _USUAL_BURST
    app.state.public_limit = RateLimit(burst=per_minute, period_seconds=60 / per_minute)
    for module in (tokens, agents, chat_calls, offer, socket):
        app.include_router(module.router)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=600
    )
    app.add_exception_handler(DragomanError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(ClientDisconnect, _hung_up)
    app.add_exception_handler(Exception, _crashed)
    return app
