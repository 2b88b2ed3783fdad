"""The pipe between the server and its conversations, and what is asked over it before the session gets round to it."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.adapters.rooms.ahead import Ahead
from dragoman.adapters.rooms.requests import Asked, AskedInVainError, Requests
from dragoman.adapters.rooms.wire import Frame, Kind, Packer, Unpacker, numbered, packed

HELLO = [{"role": "user", "text": "Hello?"}]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(Kind), st.binary(max_size=300))), st.integers(1, 50)
)
def test_messages_come_whole_however_they_are_cut(messages: list[tuple[int, Kind, bytes]], size: int) -> None:
    taken: list[Frame] = []
    unpack = Unpacker(taken.append)
    data = b"".join(packed(*message) for message in messages)
    for start in range(0, len(data), size):
        unpack(data[start : start + size])
    assert [(frame.call, frame.kind, frame.body) for frame in taken] == messages


def test_what_is_no_message_is_told_and_a_message_that_fails_is_not_handed_over_twice() -> None:
    taken: list[Frame] = []

    def handle(frame: Frame) -> None:
        taken.append(frame)
        raise KeyError(frame.call)

    unpack = Unpacker(handle)
    for number in (1, 2):
        with pytest.raises(KeyError):
            unpack(packed(number, Kind.TEXT, b"{}"))
    assert [frame.call for frame in taken] == [1, 2]
    with pytest.raises(ValueError, match="bytes"):
        unpack(b"\xff" * 20)


async def test_events_go_with_the_next_message_or_by_themselves_a_moment_later() -> None:
    written: list[bytes] = []
    send = Packer(written.append)
    send(1, Kind.EVENT, b"a")
    send(1, Kind.EVENT, b"b")
    assert written == []
    send(1, Kind.SOUND_OUT, b"c")
    assert written == [
        packed(1, Kind.EVENT, b"a") + packed(1, Kind.EVENT, b"b") + packed(1, Kind.SOUND_OUT, b"c")
    ]
    send(1, Kind.EVENT, b"d")
    await asyncio.sleep(0)
    assert written[1:] == [packed(1, Kind.EVENT, b"d")]


class Pipe:
    """What was asked over a pipe, and answers to it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Kind, Any]] = []
        self.requests = Requests(self._send, patience=5)

    def _send(self, kind: Kind, body: bytes) -> None:
        self.sent.append((kind, orjson.loads(body)))

    def of(self, kind: Kind) -> list[Any]:
        return [body for sent, body in self.sent if sent is kind]

    def think(self, number: int, **piece: object) -> None:
        self.requests.take(Frame(1, Kind.THOUGHT, orjson.dumps({"id": number, **piece})))

    def speak(self, number: int, sound: bytes) -> None:
        self.requests.take(Frame(1, Kind.SPOKEN, numbered(number, sound)))
        self.requests.take(Frame(1, Kind.SPOKEN_END, orjson.dumps({"id": number})))


async def written(pipe: Pipe, ahead: Ahead, asked: Asked) -> None:
    async for piece in pipe.requests.think(asked):
        ahead.write(piece["text"])


async def test_the_answer_to_a_turn_is_asked_for_once_and_its_first_phrase_spoken_at_once() -> None:
    pipe = Pipe()
    ahead = Ahead(pipe.requests)
    assert ahead.ask(HELLO)
    pipe.think(1, text="Good morning to you. ")
    pipe.think(1, text="And more.")
    pipe.think(1, done=True)
    asked, certain = ahead.thoughts(HELLO)
    assert certain
    await written(pipe, ahead, asked)
    assert [body["messages"] for body in pipe.of(Kind.THINK)] == [HELLO]
    assert [body["text"] for body in pipe.of(Kind.SPEAK)] == ["Good morning to you."]
    pipe.speak(2, b"so")
    speech = ahead.speech("Good morning to you.")
    assert [sound async for sound in pipe.requests.speak(speech)] == [b"so"]
    ahead.speech("And more.")
    assert [body["text"] for body in pipe.of(Kind.SPEAK)] == ["Good morning to you.", "And more."]
    assert not pipe.of(Kind.THINK_STOP)
    assert not pipe.of(Kind.SPEAK_STOP)


async def test_what_turns_out_otherwise_is_stopped_and_asked_for_anew() -> None:
    pipe = Pipe()
    ahead = Ahead(pipe.requests)
    assert ahead.ask(HELLO)
    other = [*HELLO, {"role": "user", "text": "Are you there?"}]
    asked, certain = ahead.thoughts(other)
    assert not certain
    assert pipe.of(Kind.THINK_STOP) == [{"id": 1}]
    assert [body["messages"] for body in pipe.of(Kind.THINK)] == [HELLO, other]
    pipe.think(2, text="Yes, I am here. ")
    pipe.think(2, error="The provider is down.")
    with pytest.raises(AskedInVainError, match="down"):
        await written(pipe, ahead, asked)
    assert pipe.of(Kind.SPEAK) == []


async def test_an_answer_that_was_begun_early_is_not_asked_for_again() -> None:
    pipe = Pipe()
    ahead = Ahead(pipe.requests)
    ahead.thoughts(HELLO)
    assert not ahead.ask(HELLO)
    assert len(pipe.of(Kind.THINK)) == 1


async def test_what_nobody_comes_for_is_stopped() -> None:
    pipe = Pipe()
    ahead = Ahead(pipe.requests, forgotten_seconds=0.01)
    ahead.ask(HELLO)
    stopped = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stopped.set)
    await stopped.wait()
    assert pipe.of(Kind.THINK_STOP) == [{"id": 1}]
    ahead.thoughts(HELLO)
    assert len(pipe.of(Kind.THINK)) == 2
