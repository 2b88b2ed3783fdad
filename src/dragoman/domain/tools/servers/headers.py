"""Headers for tool servers: how secrets are named in them, filled in, and hidden from view."""

import re
from collections.abc import Awaitable, Callable, Mapping

from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.header_lines import is_header_name, is_header_value
from dragoman.kit.jsontypes import JsonValue

HIDDEN = "********"
HEADERS = "headers"
_REFERENCE = re.compile(r"\{\{\s*secret:\s*([A-Za-z0-9_.-]{1,100})\s*\}\}")
_SECRET_NAME = re.compile(r"auth|key|token|secret|password|credential|cookie|bearer", re.IGNORECASE)

SecretOf = Callable[[str], Awaitable[str]]


def checked_headers(value: JsonValue, param: str) -> dict[str, str]:
    """The headers as names and texts.

    Raises:
        InvalidInput: they are no object of texts that HTTP can carry.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{param} must be an object of header names and texts.", param=param)
    headers: dict[str, str] = {}
    for name, text in value.items():
        if not is_header_name(name):
            raise InvalidInput(f"{param}: {name!r} is not a header name.", param=param)
        if not isinstance(text, str) or not is_header_value(text):
            raise InvalidInput(f"{param}: the header {name} must be a text of one line.", param=param)
        headers[name] = text
    return headers


async def filled(headers: Mapping[str, str], secret: SecretOf) -> dict[str, str]:
    """The headers with ``{{secret:NAME}}`` replaced by what the secret holds.

    Raises:
        InvalidInput: a secret is missing, or does not fit into a header.
    """
    result: dict[str, str] = {}
    for header, text in headers.items():
        for name in dict.fromkeys(_REFERENCE.findall(text)):
            try:
                value = await secret(name)
            except NotFound as error:
                raise InvalidInput(
                    f"The header {header} refers to the secret {name!r}, which does not exist.",
                    code="secret_not_found",
                ) from error
            text = re.sub(r"\{\{\s*secret:\s*" + re.escape(name) + r"\s*\}\}", lambda _, v=value: v, text)
        if not is_header_value(text):
            raise InvalidInput(f"The header {header} would not be a text of one line with its secret.")
        result[header] = text
    return result


def hidden(metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The metadata without what may be secret: headers' values, and values by the look of their names.

    References to secrets are shown: they tell nothing.
    """
    return {
        name: {header: _hidden_text(text) for header, text in value.items()}
        if name.lower() == HEADERS and isinstance(value, Mapping)
        else _hidden_value(name, value)
        for name, value in metadata.items()
    }


def _hidden_value(name: str, value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {inner: _hidden_value(inner, member) for inner, member in value.items()}
    if isinstance(value, str):
        return _hidden_text(value) if _SECRET_NAME.search(name) else value
    if isinstance(value, list | tuple):
        return [_hidden_value(name, member) for member in value]
    return value


def _hidden_text(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and _REFERENCE.search(value) and not _leaks(value):
        return value
    return HIDDEN if isinstance(value, str) and value else value


def _leaks(value: str) -> bool:
    # Beside a reference only a scheme such as "Bearer" is shown.
    return _REFERENCE.sub("", value).strip().lower() not in ("", "bearer", "basic", "token")


def restored(new: Mapping[str, JsonValue], old: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """New metadata in which what was shown hidden, and came back so, is what it was."""
    return {name: _restored(value, old.get(name)) for name, value in new.items()}


def _restored(value: JsonValue, before: JsonValue) -> JsonValue:
    if value == HIDDEN and before is not None:
        return before
    if isinstance(value, Mapping) and isinstance(before, Mapping):
        return restored(value, before)
    return value
