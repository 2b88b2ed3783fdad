"""The one input rule of this dialect: query string, form, multipart and JSON carry the same named values.

Values are collected (query string, then form, then JSON; later wins), ``content`` or ``data`` objects are hoisted, and each
declared field is coerced from whatever form it came in. Fields that no operation declares are ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dragoman.kit.errors import InvalidInput, TooLarge

Kind = Literal["text", "integer", "number", "boolean", "list", "object", "json", "file", "files"]
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}
_ABSENT = {"", "none", "null"}
_ABSENT_LIST = {"", "None", "null"}
_HOISTED = ("content", "data")
_MAXIMUM_JSON_BYTES = 64 * 1024 * 1024
_MAXIMUM_FIELD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Field:
    """One declared input. ``json`` keeps decoded JSON or plain text as it is; ``list`` accepts a single value too."""

    name: str
    kind: Kind = "text"
    required: bool = False
    default: object = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Coerced values by field name; the accessors give the declared type."""

    values: Mapping[str, object]
    files: Mapping[str, Sequence[UploadFile]] = field(default_factory=dict[str, Sequence[UploadFile]])

    def text(self, name: str) -> str:
        """A text, empty when absent."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def integer(self, name: str) -> int | None:
        """A whole number or None."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def number(self, name: str) -> float | None:
        """A number or None."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else None

    def flag(self, name: str) -> bool:
        """A switch."""
        return self.values.get(name) is True

    def list(self, name: str) -> Sequence[object]:
        """A list, empty when absent."""
        value = self.values.get(name)
        return value if isinstance(value, list) else ()

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty when absent.

        Raises:
            InvalidInput: something else is among them.
        """
        items = self.list(name)
        for item in items:
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise InvalidInput(f"'{name}' must be a text or a list of texts.", param=name)
        return tuple(str(item) for item in items)


async def collect(request: Request) -> tuple[dict[str, object], dict[str, list[UploadFile]]]:
    """All values and files of a request, before coercion.

    Raises:
        InvalidInput: a body that is neither form nor JSON.
        TooLarge: a JSON body above 64 MiB.
    """
    values: dict[str, object] = {}
    files: dict[str, list[UploadFile]] = {}
    _merge(values, list(request.query_params.multi_items()))
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        try:
            form = await request.form(max_files=100, max_fields=1000, max_part_size=_MAXIMUM_FIELD_BYTES)
        except HTTPException as error:
            # Starlette reports a broken multipart body this way.
            raise InvalidInput(f"The form could not be read: {error.detail}") from error
        _take_form(form, values, files)
    else:
        values |= await _json_object(request)
    for name in _HOISTED:
        hoisted = values.get(name)
        if isinstance(hoisted, str) and files == {} and hoisted.lstrip().startswith("{"):
            # In a form an object can only come as text; a text that merely looks like JSON stays what it is.
            decoded = _decoded(hoisted)
            if isinstance(decoded, dict) and name in decoded and content_type != "application/json":
                hoisted = decoded
        if isinstance(hoisted, dict):
            del values[name]
            values = {**hoisted, **values}
    return values, files


def _merge(values: dict[str, object], items: Sequence[tuple[str, object]]) -> None:
    """Adds values; a name that comes again makes a list."""
    repeated: dict[str, list[object]] = {}
    for name, value in items:
        repeated.setdefault(name, []).append(value)
    for name, found in repeated.items():
        values[name] = found[0] if len(found) == 1 else found


def _take_form(form: FormData, values: dict[str, object], files: dict[str, list[UploadFile]]) -> None:
    texts: list[tuple[str, object]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files.setdefault(name, []).append(value)
        else:
            texts.append((name, value))
    _merge(values, texts)


async def _json_object(request: Request) -> dict[str, object]:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MAXIMUM_JSON_BYTES:
            raise TooLarge(f"The body is larger than {_MAXIMUM_JSON_BYTES} bytes.")
        pieces.append(piece)
    body = b"".join(pieces).strip()
    if not body:
        return {}
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Invalid JSON: {error}.") from error
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise InvalidInput("Invalid JSON: the body must be an object.")
    return decoded


def _decoded(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def coerce(
    fields: Sequence[Field], values: Mapping[str, object], files: Mapping[str, Sequence[UploadFile]]
) -> Inputs:
    """The declared fields in their declared types.

    Raises:
        InvalidInput: a required field is missing, or a value does not fit; ``param`` names the field.
    """
    result: dict[str, object] = {}
    kept: dict[str, Sequence[UploadFile]] = {}
    for declared in fields:
        if declared.kind in ("file", "files"):
            found = [upload for name in (declared.name, *declared.aliases) for upload in files.get(name, ())]
            if declared.required and not found:
                raise InvalidInput(f"'{declared.name}' is required: send a file.", param=declared.name)
            if declared.kind == "file" and len(found) > 1:
                raise InvalidInput(
                    f"'{declared.name}' takes one file, not {len(found)}.", param=declared.name
                )
            kept[declared.name] = found
            continue
        raw = next((values[name] for name in (declared.name, *declared.aliases) if name in values), None)
        if _is_absent(declared, raw):
            if declared.required:
                raise InvalidInput(f"'{declared.name}' is required.", param=declared.name)
            result[declared.name] = declared.default
            continue
        fitted = _fitted(declared, raw)
        if _holds_nul(raw) or _holds_nul(fitted):
            raise InvalidInput(
                f"'{declared.name}' holds a NUL character, which no text may.", param=declared.name
            )
        result[declared.name] = fitted
    return Inputs(result, kept)


def _holds_nul(value: object) -> bool:
    # Not every database keeps them.
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(map(_holds_nul, (*value, *value.values())))
    return isinstance(value, list) and any(map(_holds_nul, value))


def _is_absent(declared: Field, raw: object) -> bool:
    if raw is None or raw == []:
        return True
    if isinstance(raw, str):
        # A required text may be the word "none"; an optional one means absent by it. Lists and choices know
        # "none" as a value: no dataset, no tool.
        if declared.required:
            return raw.strip() == ""
        if declared.kind in ("list", "json"):
            return raw.strip() in _ABSENT_LIST
        return raw.strip().lower() in _ABSENT
    return False


def _fitted(declared: Field, raw: object) -> object:
    value = _CONVERTERS[declared.kind](declared, raw)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = declared.minimum, declared.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            wanted = (
                f"between {low:.15g} and {high:.15g}"
                if low is not None and high is not None
                else (f"at least {low:.15g}" if low is not None else f"at most {high:.15g}")
            )
            raise InvalidInput(f"'{declared.name}' must be {wanted}.", param=declared.name)
    if declared.choices and value not in declared.choices:
        raise InvalidInput(
            f"'{declared.name}' must be one of: {', '.join(declared.choices)}.", param=declared.name
        )
    return value


def _misfit(declared: Field, wanted: str) -> InvalidInput:
    return InvalidInput(f"'{declared.name}' must be {wanted}.", param=declared.name)


def _text(declared: Field, raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _misfit(declared, "text")
    return str(raw)


def _integer(declared: Field, raw: object) -> int:
    if isinstance(raw, str):
        try:
            raw = float(raw) if any(mark in raw for mark in ".eE") else int(raw)
        except ValueError as error:
            raise _misfit(declared, "a whole number") from error
    if (
        isinstance(raw, bool)
        or not isinstance(raw, int | float)
        or raw != raw
        or abs(raw) > 2**53
        or int(raw) != raw
    ):
        raise _misfit(declared, "a whole number")
    return int(raw)


def _number(declared: Field, raw: object) -> float:
    if isinstance(raw, str):
        try:
            raw = float(raw)
        except ValueError as error:
            raise _misfit(declared, "a number") from error
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != raw:
        raise _misfit(declared, "a number")
    return float(raw)


def _boolean(declared: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _misfit(declared, "true or false")


def _list(declared: Field, raw: object) -> list[object]:
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        decoded = _decoded(raw)
        if not isinstance(decoded, list):
            raise _misfit(declared, "a list")
        raw = decoded
    if isinstance(raw, list):
        return raw
    if isinstance(raw, dict):
        return [raw]
    return [raw]


def _object(declared: Field, raw: object) -> dict[str, object]:
    if isinstance(raw, str):
        raw = _decoded(raw)
    if not isinstance(raw, dict):
        raise _misfit(declared, "an object")
    return raw


def _json(declared: Field, raw: object) -> object:
    if isinstance(raw, str) and raw.lstrip()[:1] in ("[", "{", '"'):
        return _decoded(raw)
    return raw


_CONVERTERS = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
    "object": _object,
    "json": _json,
}
