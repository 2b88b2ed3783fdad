"""Tools as shell commands: their options are the properties of their JSON Schema."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson
import structlog
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.ports import ShellCommand
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

_STDIN_NAMES = ("input", "text")
_COMMAND_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_Values: TypeAlias = dict[str, JsonValue]
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_USAGE = 2
_NO_REMOTE: Registry[Any] = Registry()


def _not_checked(*_: object) -> Iterator[ValidationError]:
    yield from ()


# A pattern of a stranger's schema can keep a processor busy for ever; the tool checks its own.
_Validator = cast("Any", validators).extend(
    Draft202012Validator, dict.fromkeys(("pattern", "patternProperties"), _not_checked)
)


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command wrote; a failed one wrote to its standard error."""

    text: str
    exit_code: int = 0


class _Usage(InvalidInput):
    """The command line makes no sense."""

    code = "command_usage"


def is_command_name(name: str) -> bool:
    """Whether a tool of this name can be a command."""
    return _COMMAND_NAME.fullmatch(name) is not None


def stdin_property(spec: ToolSpec) -> str | None:
    """The property that the command's standard input goes to, None when it reads none."""
    properties = _properties(spec)
    return next(
        (name for name in properties if name in _STDIN_NAMES and "string" in _types(properties[name])), None
    )


async def run_command(command: ShellCommand, arguments: Sequence[str], stdin: str | None) -> Printed:
    """Carries out one command line."""
    try:
        if any(argument in ("--help", "-h") for argument in arguments):
            return Printed(help_text(command.spec))
        values = parse_arguments(command.spec, arguments, stdin)
        return Printed(_ended(await command.call(values)))
    except _Usage as error:
        name = command.spec.name
        return Printed(f"{name}: {error.detail}\nTry '{name} --help'.\n", _USAGE)
    except DragomanError as error:
        return Printed(f"{command.spec.name}: {error.detail}\n", 1)
    except Exception:
        # Whatever goes wrong in a tool is that command's failure; the program goes on.
        log.exception("sandbox.command_crashed", command=command.spec.name)
        return Printed(f"{command.spec.name}: the tool failed.\n", 1)


def parse_arguments(spec: ToolSpec, arguments: Sequence[str], stdin: str | None = None) -> JsonObject:
    """The tool's arguments that the words on the command line stand for.

    Raises:
        InvalidInput: an unknown option, a value of the wrong kind, or something required is missing.
    """
    properties = _properties(spec)
    options = {option: name for name in properties for option in _spellings(name)}
    values: _Values = {}
    loose: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            loose.extend(words)
        elif word.startswith("--"):
            option, equals, given = word[2:].partition("=")
            _take_option(properties, options, values, option, given if equals else None, words)
        elif re.match(r"-[A-Za-z]", word):
            raise _Usage(f"unknown option {word}")
        else:
            loose.append(word)
    _place(spec, properties, values, loose)
    piped = stdin_property(spec)
    if piped is not None and piped not in values and stdin:
        values[piped] = stdin
    _validate(spec, values)
    return values


def _take_option(
    properties: dict[str, JsonObject],
    options: dict[str, str],
    values: _Values,
    option: str,
    given: str | None,
    words: Iterator[str],
) -> None:
    name = options.get(option)
    if name is None and option.startswith("no-") and given is None:
        name = options.get(option[3:])
        if name is not None and "boolean" in _types(properties[name]):
            values[name] = False
            return
        name = None
    if name is None:
        raise _Usage(f"unknown option --{option}")
    schema = properties[name]
    if given is None and "boolean" in _types(schema):
        values[name] = True
        return
    if given is None:
        given = next(words, None)
    if given is None:
        raise _Usage(f"--{option} needs a value")
    _set(values, name, schema, given)


def _set(values: _Values, name: str, schema: JsonObject, text: str) -> None:
    if "array" not in _types(schema):
        values[name] = _value(name, schema, text)
        return
    items = schema.get("items")
    item_schema: JsonObject = items if isinstance(items, Mapping) else {}
    held = cast("list[JsonValue]", values.setdefault(name, []))
    whole = _json(text) if text.startswith("[") else None
    held += whole if isinstance(whole, list) else [_value(name, item_schema, text)]


def _value(name: str, schema: JsonObject, text: str) -> JsonValue:
    types = _types(schema)
    lowered = text.lower()
    if "integer" in types and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if "number" in types and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    if "boolean" in types and lowered in (*_TRUE, *_FALSE):
        return lowered in _TRUE
    if "null" in types and lowered == "null":
        return None
    if "string" in types:
        return text
    parsed = _json(text)
    if parsed is not None and ("object" in types or "array" in types or not types):
        return parsed
    if not types:
        return text
    raise _Usage(f"--{name} takes {' or '.join(types)}, not {text!r}")


def _json(text: str) -> JsonValue:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _place(spec: ToolSpec, properties: dict[str, JsonObject], values: _Values, loose: list[str]) -> None:
    """Gives words without an option to the properties that are required and still missing, in their order."""
    free = [name for name in _required(spec) if name in properties and name not in values]
    for position, text in enumerate(loose):
        if position < len(free):
            _set(values, free[position], properties[free[position]], text)
        elif free and "array" in _types(properties[free[-1]]):
            _set(values, free[-1], properties[free[-1]], text)
        else:
            raise _Usage(f"unexpected argument {text!r}")


def _validate(spec: ToolSpec, values: _Values) -> None:
    missing = [name for name in _required(spec) if name not in values]
    if missing:
        raise _Usage("missing " + ", ".join(f"--{name}" for name in missing))
    try:
        _Validator(spec.parameters or {}, registry=_NO_REMOTE).validate(values)
    except (SchemaError, Unresolvable) as error:
        raise InvalidInput("The tool's own JSON Schema is broken.") from error
    except ValidationError as error:
        where = "/".join(str(step) for step in error.absolute_path)
        raise _Usage(f"--{where}: {error.message}" if where else error.message) from error


def help_text(spec: ToolSpec) -> str:
    """What ``--help`` prints."""
    properties, required = _properties(spec), _required(spec)
    piped = stdin_property(spec)
    lines = [f"Usage: {spec.name} [options]", ""]
    if spec.description:
        lines += [*textwrap.wrap(" ".join(spec.description.split()), 100), ""]
    lines.append("Options:")
    for name, schema in properties.items():
        lines += _option_help(name, schema, required=name in required, piped=name == piped)
    lines += ["  --help", "      Show this text."]
    return "\n".join(lines) + "\n"


def _option_help(name: str, schema: JsonObject, *, required: bool, piped: bool) -> list[str]:
    types = _types(schema)
    kind = "" if types == ["boolean"] else " " + "|".join(types or ["value"]).upper()
    notes = [str(schema.get("description") or "").strip()]
    if isinstance(choices := schema.get("enum"), list):
        notes.append("One of: " + ", ".join(str(choice) for choice in choices) + ".")
    if "default" in schema:
        notes.append(f"Default: {orjson.dumps(schema['default']).decode()}.")
    if "array" in types:
        notes.append("May be repeated.")
    if piped:
        notes.append("Read from standard input when not given.")
    if required:
        notes.append("Required.")
    text = " ".join(" ".join(note.split()) for note in notes if note)
    return [f"  --{name}{kind}", *textwrap.wrap(text, 90, initial_indent=" " * 6, subsequent_indent=" " * 6)]


def _properties(spec: ToolSpec) -> dict[str, JsonObject]:
    found = (spec.parameters or {}).get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {name: schema if isinstance(schema, Mapping) else {} for name, schema in found.items()}


def _required(spec: ToolSpec) -> list[str]:
    found = (spec.parameters or {}).get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _types(schema: JsonObject) -> list[str]:
    """The JSON types that a value may have, through unions as well; none when anything goes."""
    stated = schema.get("type")
    if isinstance(stated, str):
        return [stated]
    if isinstance(stated, list):
        return [name for name in stated if isinstance(name, str)]
    for union in ("anyOf", "oneOf"):
        if isinstance(parts := schema.get(union), list):
            return [name for part in parts if isinstance(part, Mapping) for name in _types(part)]
    if isinstance(choices := schema.get("enum"), list) and all(isinstance(one, str) for one in choices):
        return ["string"]
    return []


def _spellings(name: str) -> set[str]:
    """The option as it is, and with dashes: ``user_id`` and ``userId`` can be written ``--user-id``."""
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()
    return {name, dashed}


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
