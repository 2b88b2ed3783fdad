"""Events of an answer come back from JSON as they were."""

import json

import pytest

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.domain.messages.parts import ImagePart, TextPart
from dragoman.domain.messages.stored import read_event, write_event

EVENTS: list[Event] = [
    TextDelta("a"),
    ReasoningDelta("b"),
    ToolCallDelta(1, "call", "weather", "{}"),
    ToolRun("call", "weather", "{}", "completed", "sunny", 12, reason="asked", goal="know"),
    Attached((TextPart("x"), ImagePart(url="https://example.org/a.png")), "draw"),
    CitationsFound(
        (Citation(1, "c", "d", "doc", "d:0", "text", 0, 4, None, ("A", "B"), 0.5, {"k": 1}, "ref", None),)
    ),
    Finished("stop", Usage(1, 2, 3, 4, estimated=True), "model"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert read_event(json.loads(json.dumps(write_event(event)))) == event
