"""Filters on a model's stream: however the text is cut into pieces, the result is the same."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dragoman.domain.agents.output import (
    Drafts,
    Prefill,
    Silence,
    StreamFilter,
    Thinking,
    filters_of,
    hides_reasoning,
)
from dragoman.domain.agents.selfcall import WrittenCalls
from dragoman.domain.messages.events import Event, ReasoningDelta, TextDelta, ToolCallDelta


def through(one: StreamFilter, pieces: Sequence[str]) -> list[Event]:
    return [
        *(event for piece in pieces for event in one.feed(TextDelta(piece))),
        *one.end(),
    ]


def texts(events: Sequence[Event], kind: type[TextDelta | ReasoningDelta] = TextDelta) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def cut(text: str, places: Sequence[int]) -> list[str]:
    bounds = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(st.lists(st.integers(0, 200), max_size=12))
def test_thoughts_are_split_off_wherever_the_pieces_are_cut(places: list[int]) -> None:
    events = through(Thinking(), cut("Hm. <think>a < b, </thin no</think>\n\nYes <b>.", places))
    assert texts(events) == "Hm. Yes <b>."
    assert texts(events, ReasoningDelta) == "a < b, </thin no"


@given(st.lists(st.integers(0, 50), max_size=8), st.booleans(), st.booleans())
def test_a_prefill_is_shown_once_or_not_at_all(places: list[int], repeated: bool, include: bool) -> None:
    text = ("The answer is " if repeated else "") + "42, The answer."
    shown = texts(through(Prefill("The answer is ", include=include), cut(text, places)))
    assert shown == ("The answer is " if include else "") + "42, The answer."


@given(st.lists(st.integers(0, 200), max_size=12))
def test_calls_in_the_text_are_found_wherever_the_pieces_are_cut(places: list[int]) -> None:
    text = 'I look <b>.<tool_call>{"name": "find", "arguments": {"q": "<x>"}}</tool_call>\n<tool_call>{bad}</tool_call>'
    events = through(WrittenCalls(), cut(text, places))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(call.index, call.name, call.arguments) for call in calls] == [(0, "find", '{"q":"<x>"}')]
    assert texts(events) == "I look <b>.\n<tool_call>{bad}</tool_call>"


def test_a_call_that_breaks_off_before_its_end_still_counts() -> None:
    events = through(WrittenCalls(), ['<tool_call>{"name": "find", "arguments": {}}'])
    assert [event.name for event in events if isinstance(event, ToolCallDelta)] == ["find"]


def test_of_drafts_the_last_one_counts() -> None:
    assert through(Drafts(), ["a", "ab", "abc"]) == [TextDelta("abc")]


def test_reasoning_is_hidden_only_by_agents_that_name_habits() -> None:
    assert not hides_reasoning(())
    assert hides_reasoning(("no_temperature",))
    assert not hides_reasoning(("thinking_process", "return_reasoning_tokens"))
    assert hides_reasoning(("return_reasoning_tokens", "disable_reasoning_summary"))
    assert list(Silence().feed(ReasoningDelta("x"))) == []


def test_an_agent_without_habits_has_no_filters() -> None:
    assert filters_of((), prefill=None, include_prefill=False, hide_reasoning=False) == []
