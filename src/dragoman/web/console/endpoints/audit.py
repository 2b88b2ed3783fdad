"""The audit trail of the organisation."""

from collections.abc import AsyncIterator

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dragoman.domain.accounts.audit.chain import Event
from dragoman.domain.accounts.audit.service import EventFilter
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import HEADERS, answer, number
from dragoman.web.console.gate import Visit, signed_in

_DAY_MS = 86_400_000
_PAGE = 100


def _event(event: Event) -> dict[str, JsonValue]:
    told = event.told()
    return {
        "number": event.number,
        "at": iso(event.at),
        "action": event.action,
        "outcome": event.outcome,
        "redacted": event.content is None,
        "actor": told.get("actor"),
        "address": told.get("address"),
        "target": told.get("target"),
        "details": told.get("details"),
        "hash": event.hash,
    }


async def events(visit: Visit) -> Response:
    """Events that match, the latest first, a page at a time."""
    query = visit.request.query_params
    before = number(visit.request, "before", 0, least=0, most=2**53)
    found = await visit.services.accounts.audit.search(
        visit.caller,
        EventFilter(
            text=query.get("text", "").strip()[:200],
            outcome=query.get("outcome") or None,
            before=before or None,
            limit=_PAGE,
        ),
    )
    return answer({"events": [_event(one) for one in found], "more": len(found) == _PAGE})


async def check(visit: Visit) -> Response:
    """Whether the chain is whole, every event looked at."""
    chain = await visit.services.accounts.audit.checked(visit.caller)
    problem = chain.problem
    return answer(
        {
            "whole": problem is None,
            "events": chain.head.number if chain.head is not None else 0,
            "hash": chain.head.hash if chain.head is not None else None,
            "problem": None if problem is None else {"number": problem.number, "detail": problem.detail},
        }
    )


async def export(visit: Visit) -> Response:
    """Every event, as JSON lines."""
    found = visit.services.accounts.audit.exported(visit.caller)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(found), media_type="application/jsonl", headers=headers)


async def _lines(found: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    async for event in found:
        yield orjson.dumps(_event(event)) + b"\n"


ROUTES = [
    Route("/audit", signed_in(events)),
    Route("/audit/check", signed_in(check)),
    Route("/audit.jsonl", signed_in(export)),
]
