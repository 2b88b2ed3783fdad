"""The form of an answer: the value itself, or ``{"message", "data"}`` around it."""

import orjson
from fastapi import Request, Response

from dragoman.dialects.aivax.auth import services_of
from dragoman.kit.jsontypes import JsonValue

HEADER = "x-response-envelope"


def is_wrapped(request: Request) -> bool:
    """Whether this request's answer is wrapped: the header says so, or else the settings."""
    asked = request.headers.get(HEADER, "").strip().lower()
    if asked in ("wrapped", "bare"):
        return asked == "wrapped"
    return services_of(request).settings.aivax.response_envelope == "wrapped"


def json_response(body: JsonValue, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The body as JSON."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def answer(request: Request, value: JsonValue) -> Response:
    """A value."""
    return json_response({"message": None, "data": value} if is_wrapped(request) else value)


def encoded_answer(request: Request, value: bytes) -> Response:
    """A value that is JSON already."""
    body = b'{"message":null,"data":%b}' % value if is_wrapped(request) else value
    return Response(body, media_type="application/json")


def said(request: Request, sentence: str) -> Response:
    """A success that only says a sentence."""
    return json_response(
        {"message": sentence, "data": None} if is_wrapped(request) else {"message": sentence}
    )
