"""Reading a request's JSON body and stopping work whose client has gone."""

from collections.abc import Awaitable
from typing import TypeVar

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from dragoman.dialects.openai.presence import Presence
from dragoman.kit.errors import InvalidInput, TooLarge
from dragoman.kit.tasks import TaskOwner

R = TypeVar("R")

MAXIMUM_BODY_BYTES = 64 * 1024 * 1024
_DEADLINE_SECONDS = 3600.0


async def json_body(request: Request) -> object:
    """The decoded body.

    Raises:
        InvalidInput: no JSON; the message says where it breaks.
        TooLarge: above 64 MiB.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAXIMUM_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAXIMUM_BODY_BYTES} bytes.")
        pieces.append(piece)
    try:
        return orjson.loads(b"".join(pieces))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", code="invalid_json") from error


async def while_connected(request: Request, work: Awaitable[R]) -> R:
    """The work's result; the work is cancelled when the client hangs up first.

    The request's body has been read. Errors of the work come through as they are.

    Raises:
        ClientDisconnect: the client has gone; nobody is there to read an answer.
    """
    watch = TaskOwner()
    try:
        with Presence(request.receive, watch, deadline_seconds=_DEADLINE_SECONDS):
            return await work
    finally:
        await watch.close()
    raise ClientDisconnect
