"""What was used, by day, model, user and key."""

import csv
import io
from collections.abc import Mapping

from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.accounts.roles import may
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.usage.repository import UsageFilter, UsageSlice
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import HEADERS, answer, number
from dragoman.web.console.gate import Visit, signed_in

_DAY_MS = 86_400_000
_COLUMNS: tuple[str, ...] = (
    "day",
    "kind",
    "model",
    "user",
    "key",
    "answers",
    "failed",
    "promptTokens",
    "completionTokens",
    "cachedTokens",
    "costUsd",
)


def wanted(visit: Visit) -> UsageFilter:
    """The days asked for, whole days in UTC with today; of the whole organisation when an administrator asks so."""
    days = number(visit.request, "days", 30, least=1, most=366)
    whole = visit.request.query_params.get("scope") == "organisation"
    today = now_ms() // _DAY_MS * _DAY_MS
    return UsageFilter(since=today - (days - 1) * _DAY_MS, whole_organisation=whole)


async def _names(visit: Visit) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """E-mails by user and labels by key, as far as the caller may know them."""
    accounts, caller = visit.services.accounts, visit.caller
    if may(caller, "manage"):
        users = {one.user.id: one.user.email for one in await accounts.members.select(Steward.of(caller))}
        keys = await accounts.members.keys(Steward.of(caller))
    else:
        users, keys = {caller.user_id: caller.email}, await accounts.list_keys(caller)
    return users, {key.id: f"{key.label} …{key.last_six}" for key in keys}


async def _rows(visit: Visit) -> list[dict[str, JsonValue]]:
    found = await visit.services.usage.breakdown(visit.caller, wanted(visit))
    users, keys = await _names(visit)
    return [_row(one, users, keys) for one in found]


def _row(one: UsageSlice, users: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, JsonValue]:
    key = one.key_id
    return {
        "day": iso(one.day)[:10],
        "kind": one.kind,
        "model": one.model,
        "user": users.get(one.user_id, one.user_id),
        "key": None if key is None else keys.get(key, f"…{key[-6:]}"),
        "answers": one.answers,
        "failed": one.failed,
        "promptTokens": one.prompt_tokens,
        "completionTokens": one.completion_tokens,
        "cachedTokens": one.cached_tokens,
        "costUsd": one.cost_micro_usd / 1_000_000,
    }


async def usage(visit: Visit) -> Response:
    """The sums."""
    since = wanted(visit).since or 0
    return answer({"since": iso(since)[:10], "until": iso(now_ms())[:10], "rows": await _rows(visit)})


async def usage_csv(visit: Visit) -> Response:
    """The sums as a table for a spreadsheet."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in await _rows(visit))
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="usage.csv"'}
    return Response(text.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")


def _inert(value: JsonValue) -> JsonValue:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


ROUTES = [
    Route("/usage", signed_in(usage)),
    Route("/usage.csv", signed_in(usage_csv)),
]
