"""The Anthropic dialect as a mounted application: messages, their token counts, models."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.dialects.anthropic import messages, models
from dragoman.dialects.anthropic.errors import error_body, render
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.presence import ClientGone


def _answer(error: DragomanError) -> Response:
    status, headers, body = render(error)
    return JSONResponse(body, status_code=status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    return _answer(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = f"{request.method} {request.url.path} does not exist here."
    refusal = NotFound(told) if error.status_code == 404 else InvalidInput(told)
    return JSONResponse(error_body(refusal), status_code=error.status_code, headers=error.headers)


async def _crashed(request: Request, error: Exception) -> Response:
    return _answer(DragomanError("The server failed to carry this out; the request id names the log entry."))


async def _hung_up(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def create_app(services: Services) -> Starlette:
    """The application with its own errors. It serves the same with and without ``/v1``."""
    routes: list[Route] = []
    for start in ("/v1", ""):
        for end in ("", "/"):
            routes += [
                Route(f"{start}/messages{end}", messages.create_message, methods=["POST"]),
                Route(f"{start}/messages/count_tokens{end}", messages.count_tokens, methods=["POST"]),
                Route(f"{start}/models{end}", models.list_models),
            ]
        routes.append(Route(f"{start}/models/{{name:path}}", models.view_model))
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        ],
        exception_handlers={
            DragomanError: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _hung_up,
            ClientGone: _hung_up,
            Exception: _crashed,
        },
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app
