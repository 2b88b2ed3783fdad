"""Reading a request's JSON body and stopping work whose client has gone."""

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from dragoman.kit import presence
from dragoman.kit.jsonbody import read_json

R = TypeVar("R")


async def json_body(request: Request) -> object:
    """The decoded body.

    Raises:
        InvalidInput: no JSON; the message says where it breaks.
        TooLarge: above 64 MiB.
    """
    return await read_json(request.stream())


async def while_connected(request: Request, work: Awaitable[R]) -> R:
    """The work's result; the work is cancelled when the client hangs up first.

    Raises:
        ClientDisconnect: the client has gone; nobody is there to read an answer.
    """
    try:
        return await presence.while_connected(request.receive, work)
    except presence.ClientGone as error:
        raise ClientDisconnect from error
