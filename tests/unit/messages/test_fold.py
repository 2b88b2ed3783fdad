"""Folding a stream gives the whole answer, however the stream was cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.domain.messages.events import (
    CitationsFound,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.domain.messages.fold import Folder, fold
from dragoman.domain.messages.parts import ToolCall

FINISHED = Finished("stop", Usage(3, 4), "some-model")


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


@given(st.text(), st.text(), st.lists(st.integers(0, 50)))
def test_an_answer_is_the_same_however_its_text_was_cut(text: str, reasoning: str, cuts: list[int]) -> None:
    events: list[Event] = [ReasoningDelta(piece) for piece in pieces_of(reasoning, cuts)]
    events += [TextDelta(piece) for piece in pieces_of(text, cuts)]
    answer = fold([*events, FINISHED])
    assert (answer.text, answer.reasoning) == (text, reasoning)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4), st.lists(st.integers(0, 50)))
def test_tool_calls_keep_their_order_and_arguments_when_their_pieces_interleave(
    calls: list[tuple[str, str]], cuts: list[int]
) -> None:
    events: list[Event] = [
        ToolCallDelta(index, f"call-{index}", name) for index, (name, _) in reversed(list(enumerate(calls)))
    ]
    queues = [
        [(index, piece) for piece in pieces_of(arguments, cuts)] for index, (_, arguments) in enumerate(calls)
    ]
    while any(queues):
        for queue in queues:
            if queue:
                index, piece = queue.pop(0)
                events.append(ToolCallDelta(index, arguments=piece))
    answer = fold([*events, FINISHED])
    assert answer.tool_calls == tuple(
        ToolCall(f"call-{index}", name, arguments) for index, (name, arguments) in enumerate(calls)
    )


def test_citations_usage_and_reason_come_from_their_events() -> None:
    answer = fold([CitationsFound(()), TextDelta("a"), Finished("length", Usage(1, 2, 1), "m")])
    assert (answer.finish_reason, answer.usage, answer.model) == ("length", Usage(1, 2, 1), "m")


def test_a_stream_without_its_end_has_no_answer() -> None:
    folder = Folder()
    folder.add(TextDelta("half"))
    with pytest.raises(RuntimeError):
        folder.answer()
