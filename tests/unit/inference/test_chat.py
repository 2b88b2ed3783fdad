"""The one call of a chat model: deadline, one more try, counts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from dragoman.adapters.models.scripted import ScriptedModel, ScriptedUsage, Turn
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatRequest, ModelProfile
from dragoman.domain.messages.events import Event, TextDelta
from dragoman.domain.messages.fold import Answer, fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import DeadlineExceeded, InvalidInput, ProviderError, QuotaExceeded

HELLO = ChatRequest((Message.of_text("user", "Hello"),))


class _Words:
    """Counts words."""

    exact = True

    def count(self, text: str) -> int:
        return len(text.split())


async def answered(model: ScriptedModel, deadline_seconds: float = 5) -> Answer:
    return await fold_stream(complete(model, HELLO, deadline_seconds=deadline_seconds, tokenizer=_Words()))


async def test_a_failure_that_may_pass_is_tried_once_more() -> None:
    model = ScriptedModel(script=[Turn(error="retryable"), Turn(text="fine")])
    assert (await answered(model)).text == "fine"
    assert len(model.requests) == 2


async def test_after_the_second_failure_it_is_raised() -> None:
    model = ScriptedModel(script=[Turn(error="retryable")] * 3)
    with pytest.raises(ProviderError):
        await answered(model)
    assert len(model.requests) == 2


@pytest.mark.parametrize(("error", "kind"), [("provider", ProviderError), ("invalid", InvalidInput)])
async def test_a_failure_that_stays_is_raised_at_once(error: str, kind: type[Exception]) -> None:
    model = ScriptedModel(script=[Turn.model_validate({"error": error})])
    with pytest.raises(kind):
        await answered(model)
    assert len(model.requests) == 1


async def test_nothing_is_tried_again_after_the_first_event() -> None:
    model = ScriptedModel(script=[Turn(text="a b", error="retryable", error_after=1)])
    stream = complete(model, HELLO, deadline_seconds=5)
    assert await anext(stream) == TextDelta("a ")
    with pytest.raises(ProviderError):
        await anext(stream)
    assert len(model.requests) == 1


async def test_waiting_longer_than_the_deadline_allows_is_not_begun() -> None:
    model = ScriptedModel(script=[Turn(error="quota")])
    started = time.monotonic()
    with pytest.raises(QuotaExceeded):
        await answered(model, deadline_seconds=0.5)
    assert time.monotonic() - started < 0.4
    assert len(model.requests) == 1


async def test_an_answer_that_takes_too_long_is_stopped() -> None:
    model = ScriptedModel(script=[Turn(text="a b c d e f", delay_seconds=0.05)])
    with pytest.raises(DeadlineExceeded, match=r"0\.12 seconds"):
        await answered(model, deadline_seconds=0.12)
    assert model.closed_early == 1


async def test_closing_early_closes_the_model() -> None:
    model = ScriptedModel(script=[Turn(text="a b c")])
    async with aclosing(complete(model, HELLO, deadline_seconds=5)) as stream:  # type: ignore[type-var]
        await anext(stream)
    assert model.closed_early == 1


async def test_cancelling_the_caller_closes_the_model() -> None:
    model = ScriptedModel(script=[Turn(text="a", delay_seconds=30)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await answered(model)
    assert model.closed_early == 1


async def test_the_tokenizer_counts_only_where_the_provider_did_not() -> None:
    usage = (await answered(ScriptedModel(script=[Turn(text="one two three")]))).usage
    assert (usage.completion_tokens, usage.prompt_tokens, usage.estimated) == (3, 5, True)
    counted = Turn(text="one", usage=ScriptedUsage(prompt_tokens=70, completion_tokens=80))
    assert (await answered(ScriptedModel(script=[counted]))).usage.total_tokens == 150


class _BreaksOff:
    name = "broken"
    profile = ModelProfile()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        yield TextDelta("a")


async def test_a_stream_without_an_end_is_a_failure() -> None:
    with pytest.raises(ProviderError, match="broke off"):
        await fold_stream(complete(_BreaksOff(), HELLO, deadline_seconds=5))
