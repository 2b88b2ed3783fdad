"""What OpenAI-compatible providers do differently from OpenAI."""

import json

import pytest
from fake_upstream import OpenAIWords, Reply

from conftest import Provider
from dragoman.adapters.models.openai_wire import Decoder, encode
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.events import Event, TextDelta, ToolCallDelta
from dragoman.domain.messages.fold import Answer, fold, fold_stream
from dragoman.domain.messages.parts import Message, ToolCall, ToolSpec

HELLO = ChatRequest(messages=(Message.of_text("user", "Hello there, provider"),))


def decoded(*chunks: object) -> Answer:
    decoder = Decoder("mine", prompt_tokens=11)
    events: list[Event] = [event for chunk in chunks for event in decoder.feed(json.dumps(chunk))]
    list(decoder.feed("[DONE]"))
    return fold([*events, decoder.finish()])


def delta(content: dict[str, object], reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": content, "finish_reason": reason}]}


def test_missing_usage_is_estimated_and_says_so() -> None:
    usage = decoded(delta({"content": "twelve chars"}, "stop")).usage
    assert usage.estimated
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 3)


def test_a_stream_that_ends_properly_without_a_reason_has_stopped() -> None:
    assert decoded(delta({"content": "x"})).finish_reason == "stop"


def test_stop_after_tool_calls_means_tool_calls() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    assert decoded(delta({"tool_calls": [call]}, "stop")).finish_reason == "tool_calls"


def test_calls_without_index_are_told_apart_by_their_ids() -> None:
    calls = [{"id": each, "function": {"name": each, "arguments": {"n": 1}}} for each in ("a", "b")]
    answer = decoded(delta({"tool_calls": calls[:1]}), delta({"tool_calls": calls[1:]}, "tool_calls"))
    assert answer.tool_calls == (ToolCall("a", "a", '{"n":1}'), ToolCall("b", "b", '{"n":1}'))


def test_calls_without_id_get_one() -> None:
    first = delta({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]})
    second = delta({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "tool_calls")
    assert decoded(first, second).tool_calls == (ToolCall("call_0", "f", "{}"),)


def test_reasoning_tokens_are_counted_apart() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}
    answer = decoded(
        delta({"reasoning": "hm", "content": None}), delta({"content": "x"}, "stop"), {"usage": usage}
    )
    assert (answer.reasoning, answer.usage.reasoning_tokens, answer.usage.estimated) == ("hm", 4, False)


def test_null_fields_and_empty_choices_are_harmless() -> None:
    answer = decoded(
        {"choices": None}, delta({"content": None, "tool_calls": None}), delta({"content": "x"}, "eos")
    )
    assert (answer.text, answer.finish_reason) == ("x", "stop")


def test_settings_that_were_not_given_are_not_sent() -> None:
    assert encode(HELLO, "m").keys() == {"model", "messages", "stream", "stream_options"}


def test_settings_that_were_given_are_sent_and_extras_cannot_replace_the_conversation() -> None:
    request = ChatRequest(
        messages=HELLO.messages,
        sampling=Sampling(temperature=0, seed=3, max_tokens=9, reasoning_effort="low", verbosity="high"),
        tools=(ToolSpec("f"),),
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        extra={"min_p": 0.1, "messages": [], "stream": False},
    )
    body = encode(request, "m", max_tokens_field="max_completion_tokens")
    assert body["temperature"] == 0
    assert (body["seed"], body["max_completion_tokens"], body["reasoning_effort"]) == (3, 9, "low")
    assert (body["parallel_tool_calls"], body["min_p"], body["stream"]) == (False, 0.1, True)
    assert body["messages"] == [{"role": "user", "content": "Hello there, provider"}]


@pytest.mark.parametrize("provider", [OpenAIWords], indirect=True, ids=["openai_chat"])
async def test_a_provider_that_does_not_stream_is_understood(provider: Provider) -> None:
    whole = {
        "choices": [{"message": {"content": "All at once."}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    provider.upstream.replies = [Reply([json.dumps(whole).encode()], content_type="application/json")]
    answer = await fold_stream(provider.model.stream(HELLO))
    assert (answer.text, answer.finish_reason, answer.usage.total_tokens) == ("All at once.", "length", 7)


@pytest.mark.parametrize("provider", [OpenAIWords], indirect=True, ids=["openai_chat"])
async def test_comments_between_events_are_skipped(provider: Provider) -> None:
    words = provider.words
    pieces = [b": ping\n\n", *words.deltas([TextDelta("x")]), b":\n\n", *words.end()]
    provider.upstream.replies = [Reply(pieces)]
    assert (await fold_stream(provider.model.stream(HELLO))).text == "x"


def test_pieces_of_a_call_keep_their_index() -> None:
    decoder = Decoder("m", 0)
    call = {"index": 3, "id": "z", "function": {"name": "f", "arguments": ""}}
    assert list(decoder.feed(json.dumps(delta({"tool_calls": [call]})))) == [ToolCallDelta(3, "z", "f", "")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\ud83d", "a\ufffd"),
        (r"\uDE00b", "\ufffdb"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
    ],
)
def test_characters_cut_in_two_do_not_end_an_answer(written: str, read: str) -> None:
    data = '{"choices":[{"index":0,"delta":{"content":"' + written + '"}}]}'
    assert list(Decoder("m", 0).feed(data)) == [TextDelta(read)]
