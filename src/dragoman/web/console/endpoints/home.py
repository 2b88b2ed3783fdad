"""The state of things at a glance."""

from starlette.responses import Response
from starlette.routing import Route

from dragoman import __version__
from dragoman.domain.accounts.roles import may
from dragoman.domain.agents.approvals.model import ApprovalFilter
from dragoman.domain.agents.traces.model import RunTrace, TraceFilter
from dragoman.domain.knowledge.queue import UNFINISHED
from dragoman.domain.usage.repository import UsageFilter
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import answer
from dragoman.web.console.gate import Visit, signed_in

_DAY_MS = 86_400_000
_SHOWN = 10


async def home(visit: Visit) -> Response:
    """Health, what was used today, what failed and what waits for somebody."""
    return answer(
        {
            "version": __version__,
            "health": _health(visit),
            "today": await _today(visit),
            "counts": await _counts(visit),
            "failures": await _failures(visit),
            "dataFolder": await _data_folder(visit),
        }
    )


async def _data_folder(visit: Visit) -> str | None:
    seen = await visit.services.accounts.operators.include(visit.caller)
    return str(visit.services.settings.data_dir) if seen else None


def _health(visit: Visit) -> dict[str, JsonValue]:
    services = visit.services
    entries = services.catalogue.entries()
    in_force = next((entry for entry in entries if entry.in_force), None)
    return {
        "model": services.catalogue.default().name,
        "demo": services.catalogue.default().profile.demo,
        "modelProblem": None if in_force is None else in_force.unavailable,
        "unavailable": [
            {"name": entry.name, "why": entry.unavailable} for entry in entries if entry.unavailable
        ],
        "searchProblem": services.embed.reason,
    }


async def _today(visit: Visit) -> dict[str, JsonValue]:
    whole = may(visit.caller, "manage")
    since = now_ms() // _DAY_MS * _DAY_MS
    found = await visit.services.usage.breakdown(
        visit.caller, UsageFilter(since=since, whole_organisation=whole)
    )
    return {
        "organisation": whole,
        "answers": sum(one.answers for one in found),
        "failed": sum(one.failed for one in found),
        "tokens": sum(one.prompt_tokens + one.completion_tokens for one in found),
        "costUsd": sum(one.cost_micro_usd for one in found) / 1_000_000,
    }


async def _counts(visit: Visit) -> dict[str, JsonValue]:
    services, caller = visit.services, visit.caller
    collections = await services.collections.visible(caller)
    counts = await services.collections.counts(caller, collections)
    pending = await services.approvals.select(caller, ApprovalFilter(state="pending", limit=100))
    return {
        "gateways": len((await services.agents.listing(caller, "gateway")).rows),
        "collections": len(collections),
        "documents": sum(one.total for one in counts.values()),
        "ingesting": len(await services.knowledge.queue.select(caller, UNFINISHED)),
        "ingestFailed": len(await services.knowledge.queue.select(caller, ("failed",))),
        "approvals": len(pending),
    }


async def _failures(visit: Visit) -> list[JsonValue]:
    documents = await visit.services.knowledge.queue.select(visit.caller, ("failed",), limit=_SHOWN)
    runs = await visit.services.traces.select(visit.caller, TraceFilter(ended="failed", limit=_SHOWN))
    found = [
        {
            "kind": "document",
            "at": document.updated_at,
            "what": document.name,
            "where": collection.name,
            "why": document.state_detail,
            "id": document.id,
            "in": collection.id,
        }
        for collection, document in documents
    ]
    found += [_run(run) for run in runs]
    found.sort(key=lambda one: -int(str(one["at"])))
    return [{**one, "at": iso(int(str(one["at"])))} for one in found[:_SHOWN]]


def _run(run: RunTrace) -> dict[str, str | int | None]:
    return {
        "kind": "run",
        "at": run.ended_at,
        "what": run.agent_name,
        "where": run.model,
        "why": None,
        "id": run.id,
        "in": None,
    }


ROUTES = [Route("/home", signed_in(home))]
