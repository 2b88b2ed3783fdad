"""What every provider over HTTP owes its callers."""

import asyncio
from contextlib import aclosing

import pytest
from fake_upstream import Reply

from conftest import KEY, Provider
from dragoman.adapters.models.providers import providers
from dragoman.domain.inference.ports import ChatRequest, Sampling, ToolChoice
from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from dragoman.domain.messages.fold import Answer, fold, fold_stream
from dragoman.domain.messages.parts import ImagePart, Message, TextPart, ToolCall, ToolSpec
from dragoman.kit.errors import (
    DragomanError,
    InvalidInput,
    NotFound,
    ProviderError,
    QuotaExceeded,
)

WEATHER = ToolSpec("weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
HELLO = ChatRequest(messages=(Message.of_text("system", "Be kind."), Message.of_text("user", "Hello")))


async def answered(provider: Provider, request: ChatRequest = HELLO) -> Answer:
    async with asyncio.timeout(5):
        return await fold_stream(provider.model.stream(request))


async def failure(provider: Provider) -> DragomanError:
    with pytest.raises(DragomanError) as caught:
        await answered(provider)
    assert KEY not in str(caught.value)
    return caught.value


def test_the_suite_covers_every_registered_kind() -> None:
    assert providers.names() == ["anthropic", "openai_chat"]


async def test_a_folded_stream_is_the_whole_answer(provider: Provider) -> None:
    said = [ReasoningDelta("Let me see."), TextDelta("Grüß\u2028 "), TextDelta("Gott\x85 🙂")]
    provider.upstream.replies = [Reply([*provider.words.deltas(said), *provider.words.end()])]
    events: list[Event] = [event async for event in provider.model.stream(HELLO)]
    assert events[:-1] == said
    answer = fold(events)
    assert (answer.text, answer.reasoning) == ("Grüß\u2028 Gott\x85 🙂", "Let me see.")
    assert (answer.finish_reason, answer.model) == ("stop", "mine")
    assert isinstance(events[-1], Finished)


async def test_the_stream_may_arrive_in_any_pieces(provider: Provider) -> None:
    said = [TextDelta("one "), TextDelta("zwö "), TextDelta("three")]
    whole = b"".join([*provider.words.deltas(said), *provider.words.end()])
    provider.upstream.replies = [Reply([whole[place : place + 7] for place in range(0, len(whole), 7)])]
    assert (await answered(provider)).text == "one zwö three"


async def test_usage_is_the_providers_count(provider: Provider) -> None:
    provider.upstream.replies = [Reply([*provider.words.deltas([TextDelta("Hi")]), *provider.words.end()])]
    usage = (await answered(provider)).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (20, 7, 12)
    assert not usage.estimated


async def test_tool_calls_come_through_with_their_arguments(provider: Provider) -> None:
    said = [
        ToolCallDelta(0, "c1", "weather", ""),
        ToolCallDelta(0, arguments='{"city": '),
        ToolCallDelta(0, arguments='"Rome"}'),
        ToolCallDelta(1, "c2", "weather", ""),
        ToolCallDelta(1, arguments='{"city": "Oslo"}'),
    ]
    provider.upstream.replies = [Reply([*provider.words.deltas(said), *provider.words.end("tool_calls")])]
    request = ChatRequest(
        messages=HELLO.messages, tools=(WEATHER,), tool_choice=ToolChoice("function", "weather")
    )
    answer = await answered(provider, request)
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls == (
        ToolCall("c1", "weather", '{"city": "Rome"}'),
        ToolCall("c2", "weather", '{"city": "Oslo"}'),
    )


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_reasons_to_finish_are_ours(provider: Provider, reason: str) -> None:
    provider.upstream.replies = [
        Reply([*provider.words.deltas([TextDelta("x")]), *provider.words.end(reason)])
    ]
    assert (await answered(provider)).finish_reason == reason


async def test_a_conversation_with_tools_and_images_is_sent_whole(provider: Provider) -> None:
    provider.upstream.replies = [Reply([*provider.words.deltas([TextDelta("x")]), *provider.words.end()])]
    picture = "data:image/png;base64,iVBORw0KGgo="
    request = ChatRequest(
        messages=(
            Message.of_text("system", "Be kind."),
            Message("user", (TextPart("What is this?"), ImagePart(picture))),
            Message("assistant", tool_calls=(ToolCall("c1", "weather", '{"city":"Rome"}'),)),
            Message("tool", (TextPart("sunny"),), tool_call_id="c1"),
        ),
        tools=(WEATHER,),
        sampling=Sampling(temperature=0.5, max_tokens=50, stop=("END",)),
        user="u1",
    )
    await answered(provider, request)
    body, head = provider.upstream.bodies[0], provider.upstream.heads[0]
    assert provider.upstream.paths == ["/v1" + provider.words.path]
    assert head[provider.words.key_header].endswith(KEY)
    assert (body["model"], body["stream"], body["max_tokens"], body["temperature"]) == (
        "theirs",
        True,
        50,
        0.5,
    )
    text = str(body)
    for piece in ("Be kind.", "What is this?", "iVBORw0KGgo=", "sunny", "weather", "c1", "Rome", "END", "u1"):
        assert piece in text


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (400, InvalidInput, "temperature is too hot"),
        (401, ProviderError, "refused the API key"),
        (403, ProviderError, "refused the API key"),
        (404, NotFound, "theirs"),
        (429, QuotaExceeded, "temperature is too hot"),
        (500, ProviderError, "500"),
        (529, ProviderError, "529"),
    ],
)
async def test_refusals_become_our_errors(
    provider: Provider, status: int, kind: type[DragomanError], sentence: str
) -> None:
    body = b'{"error": {"message": "temperature is too hot (key %s)"}}' % KEY.encode()
    provider.upstream.replies = [
        Reply([body], status=status, content_type="application/json", headers={"retry-after": "7"})
    ]
    error = await failure(provider)
    assert type(error) is kind
    assert sentence in error.detail
    if isinstance(error, ProviderError):
        assert error.retryable is (status >= 500)
    if status in (429, 500, 529):
        assert error.retry_after_seconds == 7


async def test_a_failure_amid_the_stream_is_raised_after_what_was_said(provider: Provider) -> None:
    pieces = [*provider.words.deltas([TextDelta("Once ")]), provider.words.failure(f"worker {KEY} died")]
    provider.upstream.replies = [Reply(pieces)]
    seen: list[Event] = []
    stream = provider.model.stream(HELLO)
    seen.append(await anext(stream))
    with pytest.raises(ProviderError, match="worker") as caught:
        await anext(stream)
    assert seen == [TextDelta("Once ")]
    assert caught.value.retryable
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_an_answer_that_breaks_off_is_a_failure(provider: Provider, then: str) -> None:
    provider.upstream.replies = [Reply(provider.words.deltas([TextDelta("Once upon")]), then=then)]
    error = await failure(provider)
    assert isinstance(error, ProviderError)
    assert error.retryable


async def test_an_event_that_is_not_json_is_a_failure(provider: Provider) -> None:
    provider.upstream.replies = [Reply([b"data: {nonsense\n\n"])]
    assert isinstance(await failure(provider), ProviderError)


async def test_hanging_up_early_stops_the_provider(provider: Provider) -> None:
    provider.upstream.replies = [Reply(provider.words.deltas([TextDelta("a"), TextDelta("b")]), then="hang")]
    stream = provider.model.stream(HELLO)
    async with aclosing(stream):  # type: ignore[type-var]
        assert await anext(stream) == TextDelta("a")
    async with asyncio.timeout(5):
        await provider.upstream.hung_up.wait()


async def test_cancelling_the_caller_stops_the_provider(provider: Provider) -> None:
    provider.upstream.replies = [Reply([], then="hang")]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await fold_stream(provider.model.stream(HELLO))
    async with asyncio.timeout(5):
        await provider.upstream.hung_up.wait()


async def test_a_silent_provider_is_given_up(provider: Provider) -> None:
    provider.upstream.replies = [Reply(provider.words.deltas([TextDelta("a")]), then="hang")]
    error = await failure(provider)
    assert isinstance(error, ProviderError)
    assert error.retryable
    assert "in time" in error.detail


async def test_an_address_where_nobody_listens_is_a_failure_worth_a_retry(provider: Provider) -> None:
    await provider.upstream.stop()
    error = await failure(provider)
    assert isinstance(error, ProviderError)
    assert error.retryable
