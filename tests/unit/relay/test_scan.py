"""What the scanner lets through, takes out and sees, however the bytes are cut."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.domain.inference.relay.scan import StreamScanner
from dragoman.domain.messages.events import Usage
from dragoman.kit.errors import ProviderError


def event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def delta(text: str, **more: object) -> dict[str, object]:
    return {"id": "1", "choices": [{"index": 0, "delta": {"content": text}}], **more}


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}
LAST = {"id": "1", "choices": [], "usage": USAGE}


def feed(scanner: StreamScanner, *pieces: bytes) -> bytes:
    return b"".join(scanner.feed(piece) for piece in pieces)


def test_events_pass_as_they_came() -> None:
    scanner = StreamScanner(hides_usage=False)
    stream = event(delta("a")) + b": a comment\n\n" + event(delta("b")) + event(LAST) + DONE
    assert feed(scanner, stream) == stream
    assert scanner.done
    assert scanner.usage == Usage(3, 4, cached_tokens=1)


def test_usage_that_the_client_did_not_ask_for_is_taken_out() -> None:
    scanner = StreamScanner(hides_usage=True)
    sent = event(delta("a", usage=None)) + event(delta("", usage=USAGE)) + event(LAST) + DONE
    assert feed(scanner, sent) == event(delta("a")) + event(delta("")) + DONE
    assert scanner.usage == Usage(3, 4, cached_tokens=1)


def test_spaces_in_a_providers_json_make_no_difference() -> None:
    scanner = StreamScanner(hides_usage=True)
    sent = b'data: {"choices": [{"delta": {}}], "usage": null}\n\ndata: {"choices": [], "usage": {"prompt_tokens": 9}}\n\n'
    assert feed(scanner, sent) == b'data: {"choices": [{"delta": {}}]}\n\n'
    assert scanner.usage == Usage(prompt_tokens=9)


@pytest.mark.parametrize(
    "text",
    [
        '"usage":{"prompt_tokens":1}',
        ',"usage":null',
        '"error":{"message":"no"}',
        "data: [DONE]",
        "\n\ndata: [DONE]\n\n",
    ],
)
def test_what_a_model_writes_is_never_taken_for_the_streams_own(text: str) -> None:
    scanner = StreamScanner(hides_usage=True)
    assert feed(scanner, event(delta(text))) == event(delta(text))
    assert (scanner.usage, scanner.done, scanner.error) == (None, False, None)


def test_an_error_amid_the_stream_is_held_back_and_what_came_before_passes() -> None:
    scanner = StreamScanner(hides_usage=False)
    passed = feed(scanner, event(delta("a")) + event({"error": {"message": "overloaded"}}) + DONE)
    assert passed == event(delta("a"))
    assert (scanner.error, scanner.done) == ("overloaded", False)


def test_nothing_passes_behind_the_terminator() -> None:
    scanner = StreamScanner(hides_usage=False)
    assert feed(scanner, DONE + event(delta("late"))) == DONE


@pytest.mark.parametrize("left", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n"])
def test_a_terminator_without_its_blank_line_counts_at_the_end(left: bytes) -> None:
    scanner = StreamScanner(hides_usage=False)
    assert scanner.feed(left) == b""
    assert scanner.finish().strip() == left.strip()
    assert scanner.done


def test_a_torn_event_is_dropped_at_the_end() -> None:
    scanner = StreamScanner(hides_usage=False)
    assert feed(scanner, event(delta("a")) + b'data: {"id":"1","cho') == event(delta("a"))
    assert scanner.finish() == b""
    assert not scanner.done


def test_an_event_without_end_is_refused() -> None:
    scanner = StreamScanner(hides_usage=False)
    for _ in range(32):
        assert scanner.feed(b"x" * (1 << 20)) == b""
    with pytest.raises(ProviderError):
        scanner.feed(b"x")


TEXTS = st.lists(st.text(max_size=12), max_size=6)


@given(texts=TEXTS, cuts=st.lists(st.integers(0, 2000), max_size=12), crlf=st.booleans(), hides=st.booleans())
def test_the_result_does_not_depend_on_how_the_bytes_are_cut(
    texts: list[str], cuts: list[int], crlf: bool, hides: bool
) -> None:
    events = [event(delta(text, usage=None)) for text in texts] + [event(LAST), DONE]
    shown = [event(delta(text)) for text in texts] + [DONE] if hides else events
    stream, expected = b"".join(events), b"".join(shown)
    if crlf:
        stream, expected = stream.replace(b"\n\n", b"\r\n\r\n"), expected.replace(b"\n\n", b"\r\n\r\n")
    scanner = StreamScanner(hides_usage=hides)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert feed(scanner, *pieces) == expected
    assert scanner.done
    assert scanner.usage == Usage(3, 4, cached_tokens=1)
