"""Chat completions through the domain: everything that the relay cannot pass through untouched."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from dragoman.dialects.openai.access import check_public, for_caller
from dragoman.dialects.openai.auth import any_caller_of, services_of
from dragoman.dialects.openai.blocks import as_blocks
from dragoman.dialects.openai.body import json_body, while_connected
from dragoman.dialects.openai.context import generation_context
from dragoman.dialects.openai.decode import CompletionRequest, decode, run_request
from dragoman.dialects.openai.encode import StreamEncoder, completion
from dragoman.dialects.openai.keeping import asked_of
from dragoman.dialects.openai.streaming import EventStream
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.switches import HEAL_JSON, LOG_CONVERSATIONS
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.messages.events import Event, Finished
from dragoman.domain.messages.fold import Answer, Folder, fold, fold_stream
from dragoman.domain.services import Services
from dragoman.kit.errors import InvalidInput, Unprocessable
from dragoman.kit.ids import uuid7

router = APIRouter()

_ROUTED = "X-Model-Routed-Complexity"
_RUN = "X-Run-Id"


@dataclass(slots=True)
class _Turn:
    """One request on its way through the domain. ``kept``: the account wants its conversations kept."""

    caller: Caller
    wanted: CompletionRequest
    agent: ResolvedAgent
    run: RunRequest
    kept: bool
    report: RunReport = field(default_factory=RunReport)

    def events(self, services: Services) -> AsyncGenerator[Event]:
        """The answer, rendered as it was asked for."""
        events = services.runner.run(self.caller, self.agent, self.run, self.report)
        if self.kept:
            asked = asked_of(self.run, self.agent, self.wanted.model, schema=self.wanted.response_schema)
            events = services.conversations.recorded(self.caller, asked, events)
        return events if self.wanted.rendering_mode is None else as_blocks(events)

    def headers(self) -> Mapping[str, str] | None:
        """Headers that tell how the answer came about; None while that is not decided."""
        run = {_RUN: self.report.run_id}
        if self.report.routed is not None:
            return {_ROUTED: self.report.routed, **run}
        return None if self.agent.spec.routing is not None and not self.report.withheld else run


@router.post("/chat/completions")
async def chat_completions(request: Request) -> Response:
    """A model's or gateway's answer, whole or as server-sent events.

    Source: AIVAX API, "Chat completions"; OpenAI API, "Create chat completion".
    """
    caller = await any_caller_of(request)
    turn = await _turn(request, caller)
    services = services_of(request)
    events = turn.events(services)
    if not turn.wanted.stream:
        answer = await _whole(request, events)
        if turn.wanted.json_only and not answer.tool_calls:
            return Response(
                _only_json(answer), media_type="application/json", headers=dict(turn.headers() or {})
            )
        return JSONResponse(_completion(turn, answer), headers=dict(turn.headers() or {}))
    frames = _json_frames(turn, events) if turn.wanted.json_only else _frames(turn, events)
    silent = request.headers.get("sse-stream-options", "").strip().lower() == "no-ping"
    return EventStream(
        frames,
        headers=turn.headers,
        ping_seconds=None if silent else services.settings.chat.ping_seconds,
    )


async def _turn(request: Request, caller: Caller) -> _Turn:
    body = await json_body(request)
    if isinstance(body, dict):
        check_public(caller, body)
    wanted = decode(body)
    services = services_of(request)
    switches = await services.accounts.settings(caller)
    run = run_request(wanted, automatic_healing=switches.get(HEAL_JSON) is True)
    agent = for_caller(caller, await services.runner.resolve(caller, wanted.model))
    if run.provider_settings is not None and agent.spec.endpoint is None:
        raise InvalidInput(
            "extra_body is for models at an address of your own; this model belongs to the server.",
            param="extra_body",
        )
    return _Turn(caller, wanted, agent, run, kept=switches.get(LOG_CONVERSATIONS) is True)


def _completion(turn: _Turn, answer: Answer) -> dict[str, object]:
    context = _context(turn, answer)
    return completion(
        answer,
        id=uuid7(),
        created=int(time.time()),
        context=context,
        of_gateway=turn.agent.id is not None,
    )


def _context(turn: _Turn, answer: Answer) -> dict[str, object]:
    report = turn.report
    return generation_context(report.charges, answer.tool_runs, answer.citations, report=report)


def _only_json(answer: Answer) -> str:
    """The JSON that is the whole answer.

    Raises:
        Unprocessable: the request was withheld, so that there is none.
    """
    if answer.finish_reason == "content_filter":
        raise Unprocessable(
            "The request was withheld by moderation, so there is no JSON to give.", code="content_filter"
        )
    return answer.text


async def _json_frames(turn: _Turn, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    async with aclosing(events):
        told = [event async for event in events]
    answer = fold(told)
    if not answer.tool_calls:
        yield b"data: " + _only_json(answer).encode() + b"\n\n"
        return
    encoder = _encoder(turn)
    for event in told:
        if piece := _encoded(turn, encoder, event, answer):
            yield piece


async def _frames(turn: _Turn, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    encoder, folder = _encoder(turn), Folder()
    async with aclosing(events):
        async for event in events:
            folder.add(event)
            answer = folder.answer() if isinstance(event, Finished) else None
            if piece := _encoded(turn, encoder, event, answer):
                yield piece


def _encoded(turn: _Turn, encoder: StreamEncoder, event: Event, answer: Answer | None) -> bytes:
    encoder.model = turn.report.model or encoder.model
    if isinstance(event, Finished) and answer is not None:
        context = _context(turn, answer)
        return encoder.finish(event, context)
    return encoder.encode(event)


def _encoder(turn: _Turn) -> StreamEncoder:
    options = turn.wanted.stream_options
    return StreamEncoder(
        id=uuid7(),
        created=int(time.time()),
        model=turn.wanted.model,
        include_usage=options is not None and options.include_usage,
        of_gateway=turn.agent.id is not None,
    )


async def _whole(request: Request, events: AsyncGenerator[Event]) -> Answer:
    """The folded answer; a client that hangs up meanwhile stops the work."""
    async with aclosing(events):
        return await while_connected(request, fold_stream(events))
