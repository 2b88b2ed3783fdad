"""Reading a JSON object from a request."""

from typing import Any

import orjson
from fastapi import Request

from dragoman.kit.errors import InvalidInput, TooLarge

_BODY_BYTES = 1 << 20


async def json_object(request: Request) -> dict[str, Any]:
    """The decoded body; an empty one is an empty object.

    Raises:
        InvalidInput: no JSON object.
        TooLarge: above one MiB.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > _BODY_BYTES:
            raise TooLarge(f"The body is larger than {_BODY_BYTES} bytes.")
        pieces.append(piece)
    data = b"".join(pieces)
    if not data.strip():
        return {}
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_json")
    return body
