"""Reading a JSON object from a request."""

from collections.abc import Iterable
from typing import Any, cast

import orjson
from fastapi import Request

from dragoman.dialects.playground.errors import InvalidFieldsError
from dragoman.kit.errors import TooLarge

_BODY_BYTES = 1 << 20
_NOT_AN_OBJECT = "the body must be a JSON object"


class InvalidJsonError(InvalidFieldsError):
    """A body that cannot be read."""

    code = "invalid_json"


async def json_object(request: Request) -> dict[str, Any]:
    """The decoded body; an empty one is an empty object.

    Raises:
        InvalidJsonError: no JSON object.
        InvalidFieldsError: a text in it has a character that cannot be stored.
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
        problem = f"the body is not valid JSON: {error}"
        raise InvalidJsonError([((error.pos,), problem, "json_invalid")]) from error
    if not isinstance(body, dict):
        raise InvalidJsonError([((), _NOT_AN_OBJECT, "model_attributes_type")])
    if b"\\u0000" in data:
        _refuse_nul(body, ())
    return body


def _refuse_nul(value: object, path: tuple[str | int, ...]) -> None:
    """Databases do not keep texts with this character."""
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        inner = cast("dict[str, object]", value).items()
    elif isinstance(value, list):
        inner = enumerate(cast("list[object]", value))
    elif isinstance(value, str) and "\0" in value:
        raise InvalidFieldsError([(path, "the character U+0000 is not allowed", "value_error")])
    for name, member in inner:
        if isinstance(name, str) and "\0" in name:
            raise InvalidFieldsError([(path, "the character U+0000 is not allowed in names", "value_error")])
        _refuse_nul(member, (*path, name))
