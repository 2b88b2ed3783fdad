"""The model that plays a script."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from dragoman.adapters.models.scripted import (
    Script,
    ScriptedCall,
    ScriptedModel,
    ScriptedUsage,
    Turn,
    load_script,
)
from dragoman.domain.inference.ports import ChatRequest
from dragoman.domain.messages.events import TextDelta
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.kit.errors import InvalidInput, ProviderError, QuotaExceeded


def said(text: str) -> ChatRequest:
    return ChatRequest((Message.of_text("user", text),))


async def test_without_a_script_the_question_comes_back() -> None:
    model = ScriptedModel()
    assert (await fold_stream(model.stream(said("Hello you")))).text == "Hello you"
    assert model.requests == [said("Hello you")]


async def test_turns_come_in_order_and_rules_before_them(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text(
        '{"rules": [{"match": "weather", "text": "Rain."}], "turns": [{"text": "one"}, {"text": "two"}]}'
    )
    model = ScriptedModel(script=load_script(file))
    questions = ("a", "the WEATHER?", "b", "c")
    assert [(await fold_stream(model.stream(said(each)))).text for each in questions] == [
        "one",
        "Rain.",
        "two",
        "c",
    ]


async def test_tool_calls_reasoning_and_usage_are_played() -> None:
    turn = Turn(
        reasoning="hm hm",
        tool_calls=(ScriptedCall(name="f", arguments='{"a": 1}'), ScriptedCall(name="g")),
        usage=ScriptedUsage(prompt_tokens=3, completion_tokens=4, cached_tokens=2),
    )
    answer = await fold_stream(ScriptedModel(script=[turn]).stream(said("x")))
    assert answer.tool_calls == (ToolCall("call_1", "f", '{"a": 1}'), ToolCall("call_2", "g", "{}"))
    assert (answer.reasoning, answer.finish_reason) == ("hm hm", "tool_calls")
    assert (answer.usage.prompt_tokens, answer.usage.cached_tokens, answer.usage.estimated) == (3, 2, False)


async def test_an_error_comes_where_the_script_wants_it() -> None:
    model = ScriptedModel(script=[Turn(text="a b c", error="retryable", error_after=2), Turn(error="quota")])
    stream = model.stream(said("x"))
    assert [await anext(stream), await anext(stream)] == [TextDelta("a "), TextDelta("b ")]
    with pytest.raises(ProviderError) as caught:
        await anext(stream)
    assert caught.value.retryable
    with pytest.raises(QuotaExceeded):
        await fold_stream(model.stream(said("x")))


async def test_breaking_off_is_noticed() -> None:
    model = ScriptedModel(script=[Turn(text="a b c"), Turn(text="a", delay_seconds=30)])
    async with aclosing(model.stream(said("x"))) as stream:  # type: ignore[type-var]
        await anext(stream)
    assert model.closed_early == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await fold_stream(model.stream(said("x")))
    assert model.closed_early == 2


@pytest.mark.parametrize("text", ["{", '{"turn": []}', '{"rules": [{"match": "("}]}'])
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "script.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"script\.json"):
        load_script(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_script(tmp_path / "none.json")


def test_an_empty_script_is_a_script() -> None:
    assert Script() == Script(rules=(), turns=())
