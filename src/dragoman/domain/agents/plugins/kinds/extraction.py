"""Named facts out of a document, as JSON."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import cast

import orjson

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.kinds.summaries import whole_text
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import FILE, plugin
from dragoman.domain.agents.plugins.steps import in_turn, pieces_of
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.messages.events import TextDelta
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_MOST_FIELDS = 50
_LONGEST_NAME = 100
_SEPARATOR = re.compile(r"[,;\n]")
_EXTRACT = (
    "You find facts in a document. Fill in each key with what the document says, as it says it, and with "
    "null where it says nothing. "
    "Never guess. The keys: {keys}."
)


def wanted_fields(text: str) -> dict[str, str]:
    """Names and what is meant by them, from a list (``total, due date: when it must be paid``) or a JSON list or object.

    Raises:
        InvalidInput: no names, or too many.
    """
    decoded: object = None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            decoded = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"'fields' is not valid JSON: {error}.", param="fields") from error
    if isinstance(decoded, Mapping):
        pairs = [
            (str(name), str(about or "")) for name, about in cast("Mapping[object, object]", decoded).items()
        ]
    elif isinstance(decoded, Sequence):
        pairs = [(str(name), "") for name in cast("Sequence[object]", decoded)]
    else:
        parts = (part.partition(":") for part in _SEPARATOR.split(text))
        pairs = [(name, about) for name, _, about in parts]
    fields = {" ".join(name.split())[:_LONGEST_NAME]: about.strip() for name, about in pairs if name.strip()}
    if not fields or len(fields) > _MOST_FIELDS:
        raise InvalidInput(f"'fields' must name 1 to {_MOST_FIELDS} things to find.", param="fields")
    return fields


def _schema(fields: Mapping[str, str]) -> JsonObject:
    kinds: JsonValue = ["string", "number", "boolean", "array", "null"]
    properties: dict[str, JsonValue] = {name: {"type": kinds} for name in fields}
    return {
        "type": "object",
        "properties": properties,
        "required": list(fields),
        "additionalProperties": False,
    }


def merged(found: Sequence[Mapping[str, JsonValue]], fields: Sequence[str]) -> dict[str, JsonValue]:
    """The first value that any part gave for each field."""
    return {
        name: next((part[name] for part in found if part.get(name) not in (None, "", [])), None)
        for name in fields
    }


@plugin(
    PluginSpec(
        "extract_from_file",
        "Extract From File",
        "Files",
        "Finds named facts in a document and gives them as JSON.",
        (
            FILE,
            PluginField(
                "fields",
                "What to find: names divided by commas, each with ': what is meant' if needed.",
                required=True,
            ),
        ),
        writing="data",
    )
)
async def extract_from_file(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """One JSON object with a value or null for each field."""
    fields = wanted_fields(run.text("fields"))
    run.writer.require_writing()
    yield Progress("Reading the file.")
    file = await run.read()
    pieces = pieces_of(whole_text(file), run.writer.piece_characters)
    keys = "; ".join(f"{name} ({about})" if about else name for name, about in fields.items())
    instruction, schema = _EXTRACT.format(keys=keys), _schema(fields)

    def reading(piece: str) -> Callable[[], Awaitable[str]]:
        return lambda: run.writer.json(instruction, marked("document", piece), schema)

    answers: list[str] = []
    async with aclosing(in_turn([reading(piece) for piece in pieces], answers, "Searched part")) as steps:
        async for step in steps:
            yield step
    found = merged([orjson.loads(answer) for answer in answers], list(fields))
    yield Added({"filename": file.name, "fields": found, "parts": len(pieces)})
    yield TextDelta(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
