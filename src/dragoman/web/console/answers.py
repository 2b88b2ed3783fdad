"""Reading requests of the console and writing its answers: JSON, and one form of error."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound, TooLarge

log = structlog.get_logger(__name__)

_BODY_BYTES = 1_000_000
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Body(BaseModel):
    """What a request holds; a member that is none of its own is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


B = TypeVar("B", bound=Body)


def services_of(request: Request) -> Services:
    """The services that the composition root gave to this application."""
    services: Services = request.app.state.services
    return services


async def read(request: Request, kind: type[B]) -> B:
    """The body.

    Raises:
        InvalidInput: it is no JSON, or not of that kind; names the first member that is wrong.
        TooLarge: it is longer than any such body.
    """
    pieces, size = list[bytes](), 0
    async for piece in request.stream():
        size += len(piece)
        if size > _BODY_BYTES:
            raise TooLarge(f"The body has more than {_BODY_BYTES} bytes.")
        pieces.append(piece)
    try:
        return kind.model_validate_json(b"".join(pieces) or b"{}")
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        path = ".".join(str(step) for step in problem["loc"])
        raise InvalidInput(f"{path or 'body'}: {problem['msg']}", param=path or None) from error


def number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number of the query.

    Raises:
        InvalidInput: it is none, or out of bounds.
    """
    given = request.query_params.get(name)
    if given is None:
        return default
    if not given.isdecimal() or len(given) > 18 or not least <= int(given) <= most:
        raise InvalidInput(f"{name} is a whole number from {least} to {most}.", param=name)
    return int(given)


def answer(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(orjson.dumps(value), status, HEADERS, media_type="application/json")


def done() -> Response:
    """An answer that says only that it was done."""
    return Response(status_code=204, headers=HEADERS)


def refusal(error: DragomanError) -> Response:
    """Any error."""
    headers = dict(HEADERS)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    body = {"error": {"code": error.code, "message": error.detail, "param": error.param}}
    return Response(orjson.dumps(body), error.status, headers, media_type="application/json")


class _MethodNotAllowedError(DragomanError):
    code = "method_not_allowed"
    title = "Method not allowed"
    status = 405


async def refused(request: Request, error: Exception) -> Response:
    """A refusal of the domain."""
    assert isinstance(error, DragomanError)
    return refusal(error)


async def unrouted(request: Request, error: Exception) -> Response:
    """A path or a method that is none of the console's."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return refusal(_MethodNotAllowedError(f"{request.url.path} does not take {request.method}."))
    return refusal(NotFound(f"There is nothing at {request.url.path}.", code="unknown_url"))


async def crashed(request: Request, error: Exception) -> Response:
    """An unknown failure; it is logged where it is raised on to."""
    return refusal(DragomanError("The server failed to carry this out; the request id names the log entry."))


Handler = Callable[[Request], Awaitable[Response]]


def rows(found: Sequence[Any], shown: Callable[[Any], object]) -> list[object]:
    """Each of them as it is shown."""
    return [shown(one) for one in found]
