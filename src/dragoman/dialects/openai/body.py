"""Reading a request's JSON body and stopping work whose client has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from dragoman.kit.errors import InvalidInput, TooLarge

R = TypeVar("R")

MAXIMUM_BODY_BYTES = 64 * 1024 * 1024
_POLL_SECONDS = 0.25


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


async def while_connected(request: Request, work: Coroutine[Any, Any, R]) -> R:
    """The work's result; the work is cancelled when the client hangs up first.

    Raises:
        ClientDisconnect: the client has gone; nobody is there to read an answer.
    """
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        while True:
            done, _ = await asyncio.wait({task}, timeout=_POLL_SECONDS)
            if done:
                break
            if await request.is_disconnected():
                task.cancel()
                await asyncio.wait({task})
                raise ClientDisconnect
    return task.result()
