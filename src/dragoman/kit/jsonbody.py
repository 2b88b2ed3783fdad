"""JSON that came from outside: reading it in bounds, and naming the field at which it does not fit a model."""

from collections.abc import AsyncIterable, Sequence
from typing import cast

import orjson
from pydantic import ValidationError

from dragoman.kit.errors import InvalidInput, TooLarge

MAXIMUM_BODY_BYTES = 64 * 1024 * 1024


async def read_json(pieces: AsyncIterable[bytes], *, maximum_bytes: int = MAXIMUM_BODY_BYTES) -> object:
    """The decoded body.

    Raises:
        InvalidInput: no JSON; the message says where it breaks.
        TooLarge: above the bound.
    """
    read: list[bytes] = []
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > maximum_bytes:
            raise TooLarge(f"The body is larger than {maximum_bytes} bytes.")
        read.append(piece)
    try:
        return orjson.loads(b"".join(read))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", code="invalid_json") from error


def path_of(location: Sequence[str | int], body: object) -> str:
    """A field's place as a path (``messages[0].content``), found by walking the body, so that names of union branches drop out."""
    path = ""
    current = body
    for position, step in enumerate(location):
        if isinstance(step, int):
            items = cast("list[object]", current) if isinstance(current, list) else []
            if step < len(items):
                path, current = f"{path}[{step}]", items[step]
        elif isinstance(current, dict):
            fields = cast("dict[str, object]", current)
            if step in fields or position == len(location) - 1:
                path, current = f"{path}.{step}" if path else step, fields.get(step)
    return path


def first_problem(error: ValidationError, body: object) -> InvalidInput:
    """The first thing wrong with a body, naming its field."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    # A union reports every branch; the deepest place is in the branch that the caller meant.
    problem = max(problems, key=lambda item: len(item["loc"]))
    path = path_of(problem["loc"], body)
    return InvalidInput(f"{path or 'body'}: {problem['msg']}", param=path or None)
