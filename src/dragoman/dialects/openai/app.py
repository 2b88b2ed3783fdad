"""The OpenAI dialect as a mounted application under ``/v1``."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dragoman.dialects.openai import audio, chat, embeddings, models, realtime, realtime_calls, transcription
from dragoman.dialects.openai.errors import render
from dragoman.dialects.openai.responses import endpoints as responses
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, InvalidInput


def _response(error: DragomanError) -> Response:
    status, headers, body = render(error)
    return JSONResponse(body, status_code=status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    return _response(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = InvalidInput(
        f"{request.method} {request.url.path} does not exist here."
        if error.status_code in (404, 405)
        else str(error.detail),
        code="unknown_url" if error.status_code == 404 else "method_not_allowed",
    )
    _, _, body = render(refusal)
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    path = ".".join(str(step) for step in problem["loc"][1:])
    return _response(InvalidInput(f"{path}: {problem['msg']}", param=path or None))


async def _crashed(request: Request, error: Exception) -> Response:
    return _response(
        DragomanError("The server failed to carry this out; the request id names the log entry.")
    )


async def _hung_up(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def create_app(services: Services) -> FastAPI:
    """The application with its own errors and OpenAPI document."""
    app = FastAPI(
        title="Dragoman: OpenAI dialect", version="1", docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.services = services
    app.state.realtime_calls = realtime_calls.LiveCalls()
    for module in (chat, embeddings, audio, transcription, realtime, realtime_calls, models, responses):
        app.include_router(module.router)
    app.add_exception_handler(DragomanError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _hung_up)
    app.add_exception_handler(Exception, _crashed)
    return app
