"""Runs: what answers did, step by step. This server's own."""

from dataclasses import asdict
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import window
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import wrong
from dragoman.domain.agents.traces.model import Ending, RunTrace, Step, TraceFilter
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

RunId = Annotated[str, Depends(uuid_in_path("run_id"))]
_LISTED = 100
_ENDINGS: tuple[str, ...] = get_args(Ending)


def _told(run: RunTrace) -> dict[str, JsonValue]:
    return {
        "id": run.id,
        "gatewayId": run.agent_id,
        "agent": run.agent_name,
        "model": run.model,
        "dialect": run.dialect,
        "origin": run.origin,
        "conversationToken": run.conversation_id,
        "externalUserId": run.person,
        "startedAt": iso(run.started_at),
        "endedAt": iso(run.ended_at),
        "durationMs": run.ended_at - run.started_at,
        "ended": run.ended,
        "rounds": run.rounds,
        "promptTokens": run.prompt_tokens,
        "completionTokens": run.completion_tokens,
        "costUsd": run.cost_micro_usd / 1_000_000,
    }


def _step(step: Step) -> dict[str, JsonValue]:
    values = asdict(step)
    return {
        "kind": step.kind,
        "name": step.name,
        "round": step.round,
        "startedAt": iso(step.started_at),
        "durationMs": step.duration_ms,
        "state": step.state,
        "arguments": values["arguments"],
        "bytes": step.bytes,
        "promptTokens": step.prompt_tokens,
        "completionTokens": step.completion_tokens,
        "note": step.note,
    }


@router.get("/runs")
async def list_runs(request: Request, caller: PrivateCaller) -> Response:
    """The caller's runs, latest first.

    Source: this server's own.
    """
    limit, offset = window(request)
    query = request.query_params
    if (ended := query.get("ended")) is not None and ended not in _ENDINGS:
        raise wrong("ended", f"must be one of {', '.join(_ENDINGS)}")
    wanted = TraceFilter(
        agent_id=query.get("gatewayId"),
        person=query.get("externalUserId"),
        ended=ended,
        limit=min(limit, _LISTED) if "limit" not in query else limit,
        offset=offset,
    )
    found = await services_of(request).traces.select(caller, wanted)
    return answer(request, [_told(run) for run in found])


@router.get("/runs/{run_id}")
async def view_run(request: Request, caller: PrivateCaller, run_id: RunId) -> Response:
    """One run with its steps.

    Source: this server's own.
    """
    run = await services_of(request).traces.get(caller, run_id)
    return answer(request, {**_told(run), "steps": [_step(step) for step in run.steps]})
