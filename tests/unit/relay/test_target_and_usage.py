"""What is sent to a provider, and what is counted of its answer."""

import orjson
import pytest

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.relay import RelayCall, RelayTarget
from dragoman.domain.inference.relay.usage import Transcript, estimate_whole, find_usage, parse_usage
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

CALLER = Caller("o", "u", 1, "a@example.org", "owner")
TARGET = RelayTarget("http://127.0.0.1:1/v1/", "upstream-name", "name", api_key="sk-secret")


def words(text: str) -> int:
    return len(text.split())


def sent(body: JsonObject, target: RelayTarget = TARGET) -> dict[str, object]:
    context = UsageContext(caller=CALLER, dialect="openai", kind="chat", started_at=0)
    return orjson.loads(RelayCall(target, body, context).payload())


def test_only_the_models_name_changes_in_a_plain_request() -> None:
    body: JsonObject = {"model": "name", "messages": [], "temperature": 0.1, "unknown": {"a": [1, None]}}
    assert sent(body) == {**body, "model": "upstream-name"}


def test_a_stream_is_asked_for_its_usage() -> None:
    body: JsonObject = {"model": "name", "stream": True, "stream_options": {"other": 1}}
    assert sent(body)["stream_options"] == {"other": 1, "include_usage": True}
    assert "stream_options" not in sent({"model": "name", "stream": False})


def test_a_provider_that_refuses_the_option_is_not_asked() -> None:
    target = RelayTarget("http://127.0.0.1:1", "m", "m", asks_usage=False)
    assert "stream_options" not in sent({"model": "m", "stream": True}, target)


def test_the_requests_settings_go_before_the_targets() -> None:
    target = RelayTarget("http://127.0.0.1:1", "m", "m", extra={"temperature": 0.9, "top_p": 0.5})
    assert sent({"model": "x", "temperature": 0}, target) == {"model": "m", "temperature": 0, "top_p": 0.5}


def test_the_key_goes_into_a_header_and_nowhere_else() -> None:
    assert b"authorization: Bearer sk-secret\r\n" in TARGET.header_lines
    assert "sk-secret" not in repr(TARGET)
    assert TARGET.url == "http://127.0.0.1:1/v1/chat/completions"


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(InvalidInput):
        RelayTarget("http://127.0.0.1:1", "m", "m", api_key="a\r\nx-admin: 1")


def test_own_headers_replace_the_usual_ones() -> None:
    target = RelayTarget("http://127.0.0.1:1", "m", "m", api_key="a", headers={"Authorization": "Basic b"})
    assert target.header_lines.count(b"authorization") == 1
    assert b"authorization: Basic b\r\n" in target.header_lines


@pytest.mark.parametrize("value", [None, [], {}, {"prompt_tokens": "3"}, {"total_tokens": 3}, "usage"])
def test_what_is_no_usage_is_none(value: object) -> None:
    assert parse_usage(value) is None


@pytest.mark.parametrize("padding", [0, 20_000])
def test_usage_is_found_in_short_and_long_answers(padding: int) -> None:
    text = 'so "usage" is a word ' + "x" * padding
    answer = {
        "choices": [{"message": {"content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    assert find_usage(orjson.dumps(answer)) == Usage(1, 2)
    indented = orjson.dumps(answer, option=orjson.OPT_INDENT_2)
    assert find_usage(indented) == Usage(1, 2)


@pytest.mark.parametrize("padding", [0, 20_000])
def test_a_nested_usage_behind_the_answers_own_is_not_taken_for_it(padding: int) -> None:
    answer = {
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "x": {"usage": {"seconds": 1}},
        "y": "z" * padding,
    }
    assert find_usage(orjson.dumps(answer)) == Usage(1, 2)


@pytest.mark.parametrize("answer", [b"", b"not json", b'{"choices":[]}', b'["usage"]', b'{"usage":null}'])
def test_an_answer_without_usage_has_none(answer: bytes) -> None:
    assert find_usage(answer) is None


def test_an_uncounted_answer_is_estimated_from_question_and_answer() -> None:
    body: JsonObject = {
        "messages": [
            {"role": "system", "content": "one two"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "three"}, {"type": "image_url", "image_url": {}}],
            },
        ]
    }
    answer = orjson.dumps({"choices": [{"message": {"content": "four five", "tool_calls": [
        {"function": {"name": " f", "arguments": " six"}}]}}]})  # fmt: skip
    assert estimate_whole(body, answer, words) == Usage(3, 4, estimated=True)


async def test_a_transcript_counts_what_was_passed_on_however_long() -> None:
    transcript = Transcript({"messages": [{"role": "user", "content": "hi there"}]}, words)
    frame = b"data: " + orjson.dumps({"choices": [{"delta": {"content": "word " * 20}}]}) + b"\n\n"
    for _ in range(6000):
        transcript.add(frame)
    transcript.add(b"data: [DONE]\n\n")
    assert await transcript.estimate() == Usage(2, 120_000, estimated=True)
