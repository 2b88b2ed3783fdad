"""Reading what a request carries: a JSON object, numbers of the query."""

from collections.abc import AsyncIterator

import orjson
from fastapi import Request

from dragoman.dialects.aivax.auth import services_of
from dragoman.dialects.aivax.fields import Record
from dragoman.kit.errors import InvalidInput, TooLarge, Unsupported
from dragoman.kit.jsontypes import JsonValue

LISTED = 10_000
_MARK = b"\xef\xbb\xbf"


def media_type(request: Request) -> str:
    """The content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def bounded(request: Request, maximum_bytes: int) -> AsyncIterator[bytes]:
    """The body in pieces as they come.

    Raises:
        TooLarge: above the bound.
    """
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size > maximum_bytes:
        raise TooLarge(f"The body is larger than {maximum_bytes} bytes.")
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > maximum_bytes:
            raise TooLarge(f"The body is larger than {maximum_bytes} bytes.")
        yield piece


async def read_body(request: Request, shape: Record, *, optional: bool = False) -> dict[str, JsonValue]:
    """The JSON object of the body, checked against its description; with ``optional`` no body is an empty object.

    Raises:
        Unsupported: the content type is not JSON.
        InvalidInput: no JSON, no object, or a member that does not fit.
        TooLarge: above ``server.max_body_bytes``.
    """
    kind = media_type(request)
    if kind and not (kind in ("application/json", "text/json") or kind.endswith("+json")):
        raise Unsupported(f"The content type {kind} cannot be read here; send application/json.")
    maximum_bytes = services_of(request).settings.server.max_body_bytes
    text = b"".join([piece async for piece in bounded(request, maximum_bytes)])
    if optional and not text.strip():
        return shape.read_object({}, "")
    try:
        decoded = orjson.loads(text.removeprefix(_MARK))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    return shape.read_object(decoded, "")


def json_content(shape: Record) -> dict[str, JsonValue]:
    """The description of a body for the OpenAPI document."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.schema()}}}}


def window(request: Request) -> tuple[int, int]:
    """``limit`` and ``offset`` of the query; without them everything up to 10,000.

    Raises:
        InvalidInput: no whole numbers, or out of bounds.
    """
    return _number(request, "limit", 1, LISTED, LISTED), _number(request, "offset", 0, 10**9, 0)


def _number(request: Request, name: str, minimum: int, maximum: int, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or not minimum <= int(text[:20]) <= maximum:
        raise InvalidInput(f"{name} must be a whole number from {minimum} to {maximum}.", param=name)
    return int(text)
