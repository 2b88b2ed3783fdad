"""The one place where the domain calls a chat model: deadline, one more try, token counts, log."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import structlog

from dragoman.domain.inference.ports import ChatModel, ChatRequest, Tokenizer
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError, QuotaExceeded

log = structlog.get_logger(__name__)

_TRIES = 2
_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
# What a message costs beside its text: role and separators.
_TOKENS_PER_MESSAGE = 4


async def complete(
    model: ChatModel, request: ChatRequest, *, deadline_seconds: float, tokenizer: Tokenizer | None = None
) -> AsyncGenerator[Event]:
    """The model's answer as events, ending with ``Finished``; closing the iterator early cancels the
    provider's work.

    A failure that may pass is tried once more, as long as nothing of the answer has been given. ``tokenizer``
    counts where the provider did not.

    Raises:
        DeadlineExceeded: the answer was not whole in time.
        ProviderError: the provider failed; after the first event the answer stays incomplete.
        QuotaExceeded: the provider refuses for now.
        Forbidden: what the request at hand has used bears a label that forbids this model.
    """
    handling = current_handling()
    if handling is not None:
        await handling.to_model(model.name, outside=model.profile.outside)
    end = asyncio.get_running_loop().time() + deadline_seconds
    for attempt in range(1, _TRIES + 1):
        begun = False
        tried = _attempt(model, request, end, deadline_seconds, tokenizer)
        try:
            async for event in tried:
                begun = True
                yield event
            return
        except DragomanError as error:
            pause = None if begun or attempt == _TRIES else _pause_before_retry(error)
            if pause is None or asyncio.get_running_loop().time() + pause >= end:
                log.warning("chat.failed", model=model.name, code=error.code, begun=begun, attempt=attempt)
                raise
            log.info("chat.retried", model=model.name, code=error.code, pause_seconds=round(pause, 2))
        finally:
            await tried.aclose()
        await asyncio.sleep(pause)


async def _attempt(
    model: ChatModel, request: ChatRequest, end: float, deadline_seconds: float, tokenizer: Tokenizer | None
) -> AsyncGenerator[Event]:
    started = time.monotonic()
    written: list[str] = []
    events = model.stream(request)
    try:
        while True:
            event = await _next(events, end, deadline_seconds)
            if isinstance(event, Finished):
                event = _counted(event, request, written, tokenizer)
                _log_finished(event, started)
                yield event
                return
            _keep(event, written)
            yield event
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _next(events: AsyncIterator[Event], end: float, deadline_seconds: float) -> Event:
    bound = asyncio.timeout_at(end)
    try:
        async with bound:
            return await anext(events)
    except StopAsyncIteration as error:
        raise ProviderError("The model's answer broke off before its end.", retryable=True) from error
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise DeadlineExceeded(
            f"The model did not finish its answer within {deadline_seconds:g} seconds."
        ) from error


def _pause_before_retry(error: DragomanError) -> float | None:
    """How long to wait before trying again; None when that makes no sense."""
    again = error.retryable if isinstance(error, ProviderError) else isinstance(error, QuotaExceeded)
    asked = error.retry_after_seconds
    if not again or (asked is not None and asked > _LONGEST_PAUSE_SECONDS):
        return None
    # Spread out, so that many callers refused at the same moment do not come back at the same moment.
    return asked if asked is not None else _PAUSE_SECONDS * (1 + random.random())  # noqa: S311 - no secret


def _keep(event: Event, written: list[str]) -> None:
    if isinstance(event, TextDelta | ReasoningDelta):
        written.append(event.text)
    elif isinstance(event, ToolCallDelta):
        written.append((event.name or "") + event.arguments)


def _counted(
    finished: Finished, request: ChatRequest, written: list[str], tokenizer: Tokenizer | None
) -> Finished:
    """With the tokenizer's counts where the provider gave none."""
    if tokenizer is None or not finished.usage.estimated:
        return finished
    prompt = sum(tokenizer.count(message.text) + _TOKENS_PER_MESSAGE for message in request.messages)
    usage = Usage(prompt_tokens=prompt, completion_tokens=tokenizer.count("".join(written)), estimated=True)
    return replace(finished, usage=usage)


def _log_finished(finished: Finished, started: float) -> None:
    log.info(
        "chat.finished",
        model=finished.model,
        reason=finished.reason,
        prompt_tokens=finished.usage.prompt_tokens,
        completion_tokens=finished.usage.completion_tokens,
        estimated=finished.usage.estimated,
        seconds=round(time.monotonic() - started, 3),
    )
