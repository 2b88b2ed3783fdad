"""Chat completions through the domain: everything that the relay cannot pass through untouched."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body, while_connected
from dragoman.dialects.openai.decode import CompletionRequest, decode, run_request
from dragoman.dialects.openai.encode import DONE, StreamEncoder, completion, frame
from dragoman.dialects.openai.errors import error_body
from dragoman.domain.messages.events import Event
from dragoman.domain.messages.fold import Answer, fold_stream
from dragoman.kit.errors import DragomanError
from dragoman.kit.ids import uuid7

log = structlog.get_logger(__name__)
router = APIRouter()

_SSE_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@router.post("/chat/completions")
async def chat_completions(request: Request) -> Response:
    """A model's or gateway's answer, whole or as server-sent events.

    Source: AIVAX API, "Chat completions"; OpenAI API, "Create chat completion".
    """
    caller = await caller_of(request)
    wanted = decode(await json_body(request))
    run = run_request(wanted)
    services = services_of(request)
    agent = await services.runner.resolve(caller, wanted.model)
    events = services.runner.run(caller, agent, run)
    if wanted.stream:
        return await _streamed(wanted, events)
    answer = await _whole(request, events)
    return JSONResponse(completion(answer, id=uuid7(), created=int(time.time())))


async def _streamed(wanted: CompletionRequest, events: AsyncGenerator[Event]) -> Response:
    # The first event is awaited here, so that what fails before any output still gets its own status.
    first = await anext(events)
    encoder = StreamEncoder(
        id=uuid7(),
        created=int(time.time()),
        model=wanted.model,
        include_usage=wanted.stream_options is not None and wanted.stream_options.include_usage,
    )
    return StreamingResponse(
        _frames(encoder, first, events), media_type="text/event-stream", headers=_SSE_HEADERS
    )


async def _frames(
    encoder: StreamEncoder, first: Event, events: AsyncGenerator[Event]
) -> AsyncIterator[bytes]:
    async with aclosing(events):
        try:
            if piece := encoder.encode(first):
                yield piece
            async for event in events:
                if piece := encoder.encode(event):
                    yield piece
        except DragomanError as error:
            log.warning("chat.stream_failed", code=error.code, status=error.status)
            yield frame(error_body(error))
        yield DONE


async def _whole(request: Request, events: AsyncGenerator[Event]) -> Answer:
    """The folded answer; a client that hangs up meanwhile stops the work."""
    async with aclosing(events):
        return await while_connected(request, fold_stream(events))
