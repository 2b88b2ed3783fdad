"""Command lines for tools."""

import pytest

from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.commands import (
    Printed,
    help_text,
    is_command_name,
    parse_arguments,
    run_command,
    stdin_property,
)
from dragoman.domain.sandbox.ports import ShellCommand
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

_SPEC = ToolSpec(
    "get-users",
    "Lists users.",
    {
        "type": "object",
        "properties": {
            "filter": {
                "type": "string",
                "enum": ["active", "all"],
                "description": "Which ones.",
                "default": "all",
            },
            "max_results": {"type": "integer", "minimum": 1},
            "minScore": {"type": "number"},
            "verbose": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ids": {"type": "array", "items": {"type": "integer"}},
            "where": {"type": "object"},
            "until": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "text": {"type": "string"},
        },
        "required": ["filter"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["--filter", "active"], {"filter": "active"}),
        (["--filter=all"], {"filter": "all"}),
        (["all"], {"filter": "all"}),
        (["all", "--max_results", "3"], {"filter": "all", "max_results": 3}),
        (
            ["all", "--max-results=3", "--min-score", "0.5"],
            {"filter": "all", "max_results": 3, "minScore": 0.5},
        ),
        (["all", "--verbose"], {"filter": "all", "verbose": True}),
        (["--verbose", "all"], {"filter": "all", "verbose": True}),
        (["all", "--no-verbose"], {"filter": "all", "verbose": False}),
        (["all", "--verbose=false"], {"filter": "all", "verbose": False}),
        (["all", "--tags", "a", "--tags", "b c"], {"filter": "all", "tags": ["a", "b c"]}),
        (["all", "--ids", "1", "--ids=2"], {"filter": "all", "ids": [1, 2]}),
        (["all", "--ids", "[1, 2]"], {"filter": "all", "ids": [1, 2]}),
        (["all", "--where", '{"a": 1}'], {"filter": "all", "where": {"a": 1}}),
        (["all", "--until", "null"], {"filter": "all", "until": None}),
        (["all", "--text", "--verbose"], {"filter": "all", "text": "--verbose"}),
        (["--text", "-5", "--", "all"], {"filter": "all", "text": "-5"}),
    ],
)
def test_a_command_line_is_read_by_the_schema(line: list[str], expected: JsonObject) -> None:
    assert parse_arguments(_SPEC, line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "missing --filter"),
        (["--nope", "x"], "unknown option --nope"),
        (["-x"], "unknown option -x"),
        (["--filter"], "--filter needs a value"),
        (["all", "more"], "unexpected argument 'more'"),
        (["all", "--max-results", "many"], "--max_results takes integer, not 'many'"),
        (["all", "--max-results", "0"], "--max_results: 0 is less than the minimum of 1"),
        (["other"], "--filter: 'other' is not one of"),
        (["all", "--where", "{broken"], "--where takes object"),
        (["all", "--verbose=perhaps"], "--verbose takes boolean"),
        (["all", "--no-filter"], "unknown option --no-filter"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(line: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_arguments(_SPEC, line)
    assert message in refused.value.detail


def test_input_goes_to_the_text_that_is_not_given() -> None:
    assert stdin_property(_SPEC) == "text"
    assert parse_arguments(_SPEC, ["all"], "piped") == {"filter": "all", "text": "piped"}
    assert parse_arguments(_SPEC, ["all", "--text", "own"], "piped") == {"filter": "all", "text": "own"}


def test_a_tool_without_a_schema_takes_nothing() -> None:
    assert parse_arguments(ToolSpec("ping"), []) == {}


def test_the_help_names_every_option() -> None:
    text = help_text(_SPEC)

    assert text.startswith("Usage: get-users [options]\n\nLists users.\n\nOptions:\n")
    assert '  --filter STRING\n      Which ones. One of: active, all. Default: "all". Required.\n' in text
    assert "  --verbose\n" in text
    assert "Read from standard input when not given." in text


@pytest.mark.parametrize("name", ["", "-x", ".x", "a/b", "a b", "a'b", "é"])
def test_odd_names_are_no_commands(name: str) -> None:
    assert not is_command_name(name)


async def test_a_tool_that_crashes_is_a_failed_command() -> None:
    async def call(_arguments: JsonObject) -> str:
        raise RuntimeError("what only the log is told")

    printed = await run_command(ShellCommand(ToolSpec("crash"), call), [], None)

    assert printed == Printed("crash: the tool failed.\n", 1)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
    ],
)
def test_a_schema_that_points_elsewhere_is_not_followed(schema: JsonObject) -> None:
    with pytest.raises(InvalidInput, match="own JSON Schema is broken"):
        parse_arguments(ToolSpec("odd", None, schema), ["--a", "x"])


def test_a_pattern_of_a_schema_holds_nothing_up() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}

    assert parse_arguments(ToolSpec("slow", None, schema), ["--a", "a" * 60 + "!"]) == {"a": "a" * 60 + "!"}
