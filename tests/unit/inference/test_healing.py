"""JSON found in what models write."""

import asyncio
from typing import Any

import pytest

from dragoman.domain.inference.healing import Healer, StructuredOutput, checked_schema, problems_of, read_json
from dragoman.kit.errors import DeadlineExceeded, InvalidInput
from dragoman.kit.processes import ChildPool

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("```json\n{'a': 2,}\n```", {"a": 2}),
        ('```\nx\n```\nand\n```json\n{"a": 3}\n```', {"a": 3}),
        ('see [1]: {"a": 4} {"b": 1}', {"a": 4}),
        ('{"a": 5, "b": [1, 2', {"a": 5, "b": [1, 2]}),
        ("{a: 6}", {"a": 6}),
        ('{"a": 7} hope {that} helps', {"a": 7}),
    ],
)
def test_the_json_in_a_text_is_found(text: str, value: object) -> None:
    healed = read_json(SCHEMA, text)
    assert (healed.value, healed.problems) == (value, ())


@pytest.mark.parametrize("text", ["", "no idea", "{", "null", "[]", '{"a": "x"}'])
def test_what_does_not_keep_to_the_schema_says_why(text: str) -> None:
    assert read_json(SCHEMA, text).problems


def test_prose_is_never_mended_into_a_string() -> None:
    assert read_json({"type": "string"}, "Three months.").problems
    assert read_json({"type": "string"}, '"Three months."').value == "Three months."


def test_words_of_other_languages_mean_the_standard_types() -> None:
    schema = checked_schema(
        {"type": "dict", "properties": {"b": {"type": ["bool", "None"]}, "type": {"type": "str"}}}, param="s"
    )
    assert schema["type"] == "object"
    assert problems_of(schema, {"b": True, "type": "x"}) == ()
    assert problems_of(schema, {"b": 1}) == ("$.b: 1 is not of type 'boolean', 'null'",)
    kept = checked_schema({"enum": [{"type": "bool"}]}, param="s")
    assert problems_of(kept, {"type": "bool"}) == ()


def test_a_schema_that_nests_without_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"items": schema}
    with pytest.raises(InvalidInput, match="deeper"):
        checked_schema(schema, param="s")


async def test_an_expression_that_runs_for_ever_is_stopped_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dragoman.domain.inference.healing._CHECK_SECONDS", 1.0)
    pool = ChildPool(size=1, memory_mb=512, idle_seconds=5, name="test")
    evil = {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}
    try:
        work = asyncio.ensure_future(  # noqa: TID251 - awaited below
            Healer(pool).read(StructuredOutput(evil), '{"a": "' + "a" * 40 + '!"}')
        )
        await asyncio.sleep(0.05)
        assert not work.done(), "the loop runs on"
        with pytest.raises(DeadlineExceeded):
            await work
    finally:
        await pool.close()
