"""The Ask Sage dialect as one application, mounted under ``/server`` and ``/user``.

Every operation is served under both, with ``_`` and ``-`` alike, and with doubled or trailing slashes, never by a redirect:
a redirect turns a POST into a GET.
"""

import errno
import re
from collections.abc import Mapping

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.dialects.asksage.decode import coerce, collect
from dragoman.dialects.asksage.endpoints import (
    administration,
    agents,
    api_keys,
    chats,
    datasets,
    deep,
    documents,
    files,
    follow_up,
    links,
    mcp,
    models,
    personas,
    plugins,
    query,
    secrets,
    sharing,
    speech,
    tokens,
    train,
    usage,
)
from dragoman.dialects.asksage.errors import render
from dragoman.dialects.asksage.operation import OPERATIONS, Call, Operation
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, NotFound, Unauthenticated, Unavailable
from dragoman.kit.presence import ClientGone, while_connected
from dragoman.settings.groups import AskSageSettings

log = structlog.get_logger(__name__)

# Importing a module of operations registers what it holds.
ENDPOINTS = (
    tokens,
    models,
    personas,
    datasets,
    documents,
    train,
    files,
    query,
    follow_up,
    usage,
    secrets,
    plugins,
    mcp,
    speech,
    deep,
    chats,
    sharing,
    api_keys,
    administration,
    agents,
    links,
)
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]


class _MethodNotAllowedError(DragomanError):
    code = "method_not_allowed"
    status = 405


def operation_name(path: str) -> str:
    """The operation that a path names: slashes folded, underscores as dashes."""
    return re.sub(r"/+", "/", path).strip("/").replace("_", "-").lower()


def served() -> Mapping[str, Operation]:
    """Every operation by each of its names."""
    return OPERATIONS


async def _caller(request: Request, services: Services) -> Caller:
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated("A token is needed in the header x-access-tokens.")
    return await services.accounts.keys.authenticate_slow(credential)


def _found(request: Request) -> Operation:
    name = operation_name(request.path_params["path"])
    found = OPERATIONS.get(name)
    if found is None:
        raise NotFound(f"There is no operation {name!r} here.", code="unknown_url")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in found.methods:
        raise _MethodNotAllowedError(f"{name} takes {' or '.join(sorted(found.methods))}.")
    return found


async def _dispatch(request: Request) -> Response:
    services: Services = request.app.state.services
    found: Operation | None = None
    try:
        found = _found(request)
        # The caller is known before the body is read, so that a stranger cannot make the server take one in.
        caller = None if found.public else await _caller(request, services)
        values, files = await collect(request)
        inputs = coerce(found.fields, values, files)
        work = found.handler(Call(request, services, inputs, caller, values))
        answer = await (while_connected(request.receive, work) if found.stops else work)
        return answer if isinstance(answer, Response) else JSONResponse({"status": 200, **answer})
    except DragomanError as error:
        return _refused(request, error, found)
    except (ClientDisconnect, ClientGone):
        return Response(status_code=499)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        log.error("asksage.disk_full", path=request.url.path, reason=error.strerror)  # noqa: TRY400 - known
        return _refused(request, Unavailable("The disk of this server is full."), found)
    finally:
        # Uploaded files are held in temporary files until here.
        await request.close()


def _refused(request: Request, error: DragomanError, found: Operation | None) -> Response:
    settings: AskSageSettings = request.app.state.services.settings.asksage
    status = settings.auth_error_status
    in_body = settings.error_mode == "body"
    if found is not None:
        status = found.auth_error_status or status
        in_body = in_body or (found.in_body and not isinstance(error, Unauthenticated))
    return render(request, error, auth_error_status=status, in_body=in_body)


async def _unrouted(request: Request, error: Exception) -> Response:
    return render(
        request, NotFound("There is no operation without a name.", code="unknown_url"), auth_error_status=400
    )


async def _crashed(request: Request, error: Exception) -> Response:
    failure = DragomanError("The server failed to carry this out; the request id names the log entry.")
    return render(request, failure, auth_error_status=400)


def create_app(services: Services) -> Starlette:
    """The application with its own errors; answers from any origin are readable by scripts."""
    app = Starlette(
        routes=[Route("/{path:path}", _dispatch, methods=_METHODS)],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=[
                    "x-access-tokens",
                    "x-api-key",
                    "content-type",
                    "authorization",
                    "x-error-mode",
                ],
            )
        ],
        exception_handlers={HTTPException: _unrouted, Exception: _crashed},
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app
