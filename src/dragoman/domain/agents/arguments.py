"""The arguments of a tool call: read from what a model wrote, mended, and held against the tool's schema."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import json_repair
import orjson
import structlog

from dragoman.domain.inference.healing import Healer, checked_schema
from dragoman.domain.messages.parts import ToolSpec
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

_MOST_CHARACTERS = 2_000_000
_INLINE_CHARACTERS = 20_000
_REPAIR_SECONDS = 5.0
_KEPT_SCHEMAS = 2000
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call's arguments are. ``problem`` tells the model why they cannot be used; ``mended``: not as it wrote them."""

    value: JsonObject
    problem: str | None = None
    mended: bool = False


class ArgumentReader:
    """Reads arguments.

    Args:
        healer: holds values against schemas without holding up the event loop.
    """

    def __init__(self, healer: Healer) -> None:
        self._healer = healer
        self._schemas: OrderedDict[bytes, JsonObject | None] = OrderedDict()

    async def read(self, spec: ToolSpec, text: str, *, besides: Mapping[str, JsonValue]) -> Arguments:
        """The arguments for this tool.

        Args:
            spec: the tool as it is, without what the model is asked for besides.
            text: as the model wrote it.
            besides: arguments that are not the tool's; they stay in the value and are not checked.
        """
        value, problem, mended = await _decoded(text)
        if value is None:
            return Arguments({}, problem)
        own = {name: one for name, one in value.items() if name not in besides}
        fitted = _fitted(spec.parameters or {}, own)
        problems = await self._problems(spec, fitted)
        found = {**fitted, **{name: one for name, one in value.items() if name in besides}}
        if problems:
            told = "; ".join(problems)
            if problem is not None:
                told = f"{problem}; {told}"
            return Arguments(found, f"the arguments do not fit the tool's schema: {told}.", mended)
        return Arguments(found, None, mended or fitted != own)

    async def _problems(self, spec: ToolSpec, value: JsonObject) -> tuple[str, ...]:
        if not spec.parameters:
            return ()
        schema = self._schema(spec)
        if schema is None:
            return ()
        try:
            return await self._healer.problems(schema, value)
        except DragomanError as error:
            return (error.detail,)

    def _schema(self, spec: ToolSpec) -> JsonObject | None:
        key = orjson.dumps(spec.parameters)
        if key not in self._schemas:
            try:
                self._schemas[key] = checked_schema(spec.parameters or {}, param=spec.name)
            except InvalidInput as error:
                # The tool itself must then cope: its owner's schema is no reason to refuse every call.
                log.warning("tool.schema_unusable", tool=spec.name, reason=error.detail)
                self._schemas[key] = None
            while len(self._schemas) > _KEPT_SCHEMAS:
                self._schemas.popitem(last=False)
        self._schemas.move_to_end(key)
        return self._schemas[key]


async def _decoded(text: str) -> tuple[JsonObject | None, str | None, bool]:
    """The object, what was wrong with the text, and whether the object is not just what was written."""
    stripped = text.strip()
    if not stripped or stripped == "null":
        return {}, None, False
    if len(stripped) > _MOST_CHARACTERS:
        return None, f"the arguments are longer than {_MOST_CHARACTERS} characters.", False
    try:
        value = orjson.loads(stripped)
        if isinstance(value, str):
            # Some models encode twice.
            return _object(orjson.loads(value or "{}"), mended=True)
        return _object(value, mended=False)
    except orjson.JSONDecodeError as error:
        problem = f"the arguments are not valid JSON: {error}"
    if _cut_off(stripped):
        # To close what is open would carry out a call with half a text in it.
        return None, f"{problem}; they break off in the middle of a value.", False
    mended = await _repaired(stripped)
    if isinstance(mended, Mapping) and mended:
        return mended, problem, True
    return None, problem, False


def _cut_off(text: str) -> bool:
    """Whether the JSON stops inside a text or before a value, so that something is missing from it."""
    if text[0] not in "{[" or text[-1] in "}]`":
        return False
    inside = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = inside
        elif character == '"':
            inside = not inside
    return inside or text[-1] in ":,"


async def _repaired(text: str) -> JsonValue:
    if len(text) <= _INLINE_CHARACTERS:
        return _repair(text)
    try:
        async with asyncio.timeout(_REPAIR_SECONDS):
            return await asyncio.to_thread(_repair, text)
    except TimeoutError:
        return None


def _repair(text: str) -> JsonValue:
    return cast("JsonValue", json_repair.loads(text, skip_json_loads=True))


def _object(value: object, *, mended: bool) -> tuple[JsonObject | None, str | None, bool]:
    if value is None:
        return {}, None, mended
    if not isinstance(value, dict):
        return None, "the arguments must be a JSON object.", False
    return cast("JsonObject", value), None, mended


def _fitted(schema: JsonObject, value: JsonObject) -> JsonObject:
    """The value with the usual slips of models undone: numbers and lists as text, one thing where a list is due."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return value
    return {
        name: _fitting(shape, one) if isinstance(shape := properties.get(name), Mapping) else one
        for name, one in value.items()
    }


def _fitting(schema: JsonObject, value: JsonValue) -> JsonValue:
    kind = schema.get("type")
    if isinstance(value, str) and isinstance(kind, str) and kind != "string":
        return _read(kind, schema, value)
    if kind == "array" and value is not None and not isinstance(value, list | Mapping):
        return [value]
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _read(kind: str, schema: JsonObject, text: str) -> JsonValue:
    if kind == "boolean":
        return _BOOLEANS.get(text.strip().lower(), text)
    wanted = {"integer": int, "number": int | float, "array": list, "object": dict}.get(kind)
    if wanted is None:
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if isinstance(value, wanted) and not isinstance(value, bool):
        return cast("JsonValue", value)
    items = schema.get("items")
    if kind == "array" and (not isinstance(items, Mapping) or _takes_text(items.get("type"))):
        return [text]
    return text


def _takes_text(kind: JsonValue) -> bool:
    return kind in (None, "string") or (
        isinstance(kind, Sequence) and not isinstance(kind, str) and "string" in kind
    )
