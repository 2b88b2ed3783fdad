"""JSON answers that keep to a schema: finding the JSON in a model's text, mending it, saying what is wrong."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import json_repair
import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry

from dragoman.kit.errors import DeadlineExceeded, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue
from dragoman.kit.processes import ChildPool

DEFAULT_ATTEMPTS = 3
MOST_ATTEMPTS = 10
_MOST_ERRORS = 10
_MOST_CHARACTERS = 1_000_000
_INLINE_CHARACTERS = 20_000
_DEEPEST = 64
_CHECK_SECONDS = 10.0
_MOST_STARTS = 50
_PATTERN_WORDS = frozenset({"pattern", "patternProperties"})
_VALUES = frozenset({"enum", "const", "default", "examples"})
_TYPES = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "double": "number",
    "str": "string",
    "list": "array",
    "dict": "object",
    "none": "null",
}
_FENCE = re.compile(r"```[a-zA-Z0-9_-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")
_DECODER = json.JSONDecoder()
_NO_REMOTE: Registry[Any] = Registry()


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    """That an answer must be JSON of this schema, and how often the model is asked for it at most."""

    schema: JsonObject = field(default_factory=dict[str, JsonValue])
    attempts: int = DEFAULT_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Healed:
    """The JSON found in a text. ``problems`` empty = ``value`` keeps to the schema."""

    value: JsonValue
    problems: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The value as JSON text."""
        return orjson.dumps(self.value).decode()


def checked_schema(schema: JsonObject, *, param: str) -> JsonObject:
    """The schema in standard words (``bool`` becomes ``boolean``), once it is one that can be used.

    Raises:
        InvalidInput: it is no JSON Schema, nests too deep, or points elsewhere.
    """
    known = cast("JsonObject", _standard(schema, param, 0))
    try:
        Draft202012Validator.check_schema(dict(known))
    except SchemaError as error:
        place = ".".join(str(step) for step in error.absolute_path)
        raise InvalidInput(
            f"{param}: not a JSON Schema{f' at {place}' if place else ''}: {error.message[:300]}",
            param=param,
            code="invalid_schema",
        ) from error
    return known


def _standard(schema: JsonValue, param: str, depth: int) -> JsonValue:
    if depth > _DEEPEST:
        raise InvalidInput(f"{param}: the schema nests deeper than {_DEEPEST} levels.", param=param)
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise InvalidInput(f"{param}: only references inside the schema (#/...) are read.", param=param)
        known = {
            name: value if name in _VALUES else _standard(value, param, depth + 1)
            for name, value in schema.items()
        }
        if "type" in known:
            known["type"] = _standard_type(known["type"])
        return known
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_standard(value, param, depth + 1) for value in schema]
    return schema


def _standard_type(kind: JsonValue) -> JsonValue:
    if isinstance(kind, str):
        return _TYPES.get(kind.lower(), kind)
    if isinstance(kind, Sequence):
        return [_standard_type(one) for one in kind]
    return kind


def _candidates(text: str) -> Iterator[JsonValue]:
    """What the text may mean as JSON, the most faithful reading first."""
    blocks = [block.strip() for block in _FENCE.findall(text)]
    for whole in (text.strip(), *blocks):
        try:
            yield orjson.loads(whole)
        except orjson.JSONDecodeError:
            continue
    yield from _embedded(text)
    for piece in (*_from_first_bracket(text), *blocks):
        mended = cast("JsonValue", json_repair.loads(piece, skip_json_loads=True))
        # Out of prose the repair makes an empty string; only what looks like JSON is taken.
        if isinstance(mended, Mapping | list) and mended:
            yield mended


def _embedded(text: str) -> Iterator[JsonValue]:
    """Objects and lists that stand whole amid prose."""
    position = 0
    for _ in range(_MOST_STARTS):
        found = _BRACKET.search(text, position)
        if found is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            position = found.end()
        else:
            yield cast("JsonValue", value)


def _from_first_bracket(text: str) -> Iterator[str]:
    starts = sorted(start for bracket in "{[" if (start := text.find(bracket)) >= 0)
    for start in starts:
        end = max(text.rfind("}"), text.rfind("]"))
        if end > start:
            yield text[start : end + 1]
        yield text[start:]


def problems_of(schema: JsonObject, value: JsonValue) -> tuple[str, ...]:
    """What keeps a value from the schema, each with its place; at most ten."""
    validator = cast("Any", Draft202012Validator(dict(schema), registry=_NO_REMOTE))
    found: list[str] = []
    for error in validator.iter_errors(value):
        place = "$" + "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path
        )
        found.append(f"{place}: {error.message[:300]}")
        if len(found) == _MOST_ERRORS:
            break
    return tuple(found)


def read_json(schema: JsonObject, text: str) -> Healed:
    """The first reading of the text that keeps to the schema, else the first one with its problems."""
    first: Healed | None = None
    for value in _candidates(text[:_MOST_CHARACTERS]):
        problems = problems_of(schema, value)
        if not problems:
            return Healed(value)
        first = first or Healed(value, problems)
    return first or Healed(None, ("$: the answer holds no JSON",))


class Healer:
    """Reads JSON out of answers without holding up the event loop.

    Args:
        pool: where schemas with regular expressions are checked, since such an expression can run for ever.
    """

    def __init__(self, pool: ChildPool | None = None) -> None:
        self._pool = pool

    async def read(self, wanted: StructuredOutput, text: str) -> Healed:
        """The JSON of an answer and what is wrong with it.

        Raises:
            DeadlineExceeded: checking it took too long.
        """
        if self._pool is not None and _has_patterns(wanted.schema):
            return await self._pool.call(read_json, wanted.schema, text, timeout_seconds=_CHECK_SECONDS)
        if len(text) <= _INLINE_CHARACTERS:
            return read_json(wanted.schema, text)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await asyncio.to_thread(read_json, wanted.schema, text)
        except TimeoutError as error:
            raise DeadlineExceeded("Reading the JSON of the answer took too long.") from error

    async def problems(self, schema: JsonObject, value: JsonValue) -> tuple[str, ...]:
        """What keeps a value from the schema.

        Raises:
            DeadlineExceeded: checking it took too long.
        """
        if self._pool is not None and _has_patterns(schema):
            return await self._pool.call(problems_of, schema, value, timeout_seconds=_CHECK_SECONDS)
        if len(orjson.dumps(value)) <= _INLINE_CHARACTERS:
            return problems_of(schema, value)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await asyncio.to_thread(problems_of, schema, value)
        except TimeoutError as error:
            raise DeadlineExceeded("Checking the value took too long.") from error


def _has_patterns(schema: JsonValue) -> bool:
    if isinstance(schema, Mapping):
        return not _PATTERN_WORDS.isdisjoint(schema) or any(map(_has_patterns, schema.values()))
    return isinstance(schema, list) and any(map(_has_patterns, schema))


def instruction(schema: JsonObject) -> str:
    """What tells a model to answer in JSON, for the system text."""
    if not schema:
        return "Answer with one JSON value and nothing else: no prose, no code fence."
    return (
        "Answer with one JSON value that keeps to this JSON Schema and nothing else: no prose, no code fence.\n"
        + orjson.dumps(schema).decode()
    )


def feedback(problems: Sequence[str]) -> str:
    """What tells a model why its answer was not taken."""
    return (
        "Your answer was not taken, because it does not keep to the JSON Schema:\n"
        + "\n".join(f"- {problem}" for problem in problems)
        + "\nAnswer again with the whole corrected JSON and nothing else."
    )
