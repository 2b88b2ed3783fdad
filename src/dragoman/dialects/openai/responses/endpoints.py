"""Responses: answers that may be gone on from, whole or as events."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body, while_connected
from dragoman.dialects.openai.errors import render
from dragoman.dialects.openai.responses.build import Builder, new_id
from dragoman.dialects.openai.responses.decode import asked_items, decode, run_request, searching
from dragoman.dialects.openai.streaming import EventStream
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.chat.replies.service import Reply
from dragoman.domain.services import Services
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError
from dragoman.kit.eventstream import Wording
from dragoman.kit.jsontypes import JsonObject

router = APIRouter()
_MOST_LISTED = 100


def _frame(event: JsonObject | dict[str, object]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"


@dataclass(slots=True)
class _Turn:
    """One request on its way through the domain."""

    services: Services
    caller: Caller
    agent: ResolvedAgent
    run: RunRequest
    asked: Sequence[JsonObject]
    builder: Builder
    streamed: bool
    report: RunReport = field(default_factory=RunReport)

    async def events(self) -> AsyncGenerator[dict[str, object]]:
        """This API's events; the reply is kept before the last of them."""
        running = self.services.runner.run(self.caller, self.agent, self.run, self.report)
        last: dict[str, object] | None = None
        async with aclosing(running) as events:
            async for event in events:
                for told in self.builder.feed(event, self.report.model):
                    if last is not None:
                        yield last
                    last = told
        if self.builder.response["store"]:
            await self._keep()
        if last is not None:
            yield last

    async def _keep(self) -> None:
        response = self.builder.response
        previous = response["previous_response_id"]
        told = orjson.loads(orjson.dumps(response))
        reply = Reply(
            id=str(response["id"]),
            previous_id=None if previous is None else str(previous),
            asked=self.asked,
            told=told,
            created_at=now_ms(),
        )
        await self.services.replies.keep(self.caller, reply)


async def _turn(request: Request) -> _Turn:
    caller, services = await caller_of(request), services_of(request)
    body = await json_body(request)
    wanted = decode(body)
    assert isinstance(body, dict)
    earlier: list[JsonObject] = []
    if wanted.previous_response_id is not None:
        for reply in await services.replies.chain(caller, wanted.previous_response_id):
            earlier += [*reply.asked, *_output(reply.told)]
    agent = searching(await services.runner.resolve(caller, wanted.model), wanted)
    builder = Builder(wanted, created=int(time.time()))
    run = run_request(wanted, earlier)
    asked = asked_items(wanted, body)
    return _Turn(services, caller, agent, run, asked, builder, wanted.stream is True)


def _output(told: JsonObject) -> Sequence[JsonObject]:
    output = told.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


@router.post("/responses")
async def create_response(request: Request) -> Response:
    """A model's or gateway's answer, whole or as server-sent events; kept for 30 days unless ``store`` is false.

    Source: OpenAI API, "Create a model response".
    """
    turn = await _turn(request)
    if not turn.streamed:
        await while_connected(request, _whole(turn))
        return JSONResponse(turn.builder.response)

    def failed(error: DragomanError) -> bytes:
        return b"".join(_frame(event) for event in turn.builder.failed(error))

    return EventStream(
        _frames(turn),
        headers=dict,
        ping_seconds=turn.services.settings.chat.ping_seconds,
        wording=Wording(refused=render, failed=failed),
    )


async def _whole(turn: _Turn) -> None:
    async with aclosing(turn.events()) as events:
        async for _ in events:
            pass


async def _frames(turn: _Turn) -> AsyncGenerator[bytes]:
    async with aclosing(turn.events()) as events:
        async for event in events:
            yield _frame(event)


@router.get("/responses/{response_id}")
async def view_response(request: Request, response_id: str) -> Response:
    """A response of the caller's that is kept.

    Source: OpenAI API, "Get a model response".
    """
    caller = await caller_of(request)
    reply = await services_of(request).replies.get(caller, response_id)
    return JSONResponse(reply.told)


@router.delete("/responses/{response_id}")
async def delete_response(request: Request, response_id: str) -> Response:
    """Forgets a response.

    Source: OpenAI API, "Delete a model response".
    """
    caller = await caller_of(request)
    await services_of(request).replies.delete(caller, response_id)
    return JSONResponse({"id": response_id, "object": "response", "deleted": True})


@router.get("/responses/{response_id}/input_items")
async def list_input_items(request: Request, response_id: str) -> Response:
    """What was asked for a response, the latest item first unless ``order=asc``.

    Source: OpenAI API, "List input items".
    """
    caller = await caller_of(request)
    reply = await services_of(request).replies.get(caller, response_id)
    items = [{"id": new_id("msg"), **item} for item in reply.asked]
    if request.query_params.get("order", "desc") != "asc":
        items.reverse()
    page = items[:_MOST_LISTED]
    return JSONResponse(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(items) > len(page),
        }
    )
