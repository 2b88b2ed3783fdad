"""Limits and receipts: what may be used, what is left, and what each answer used. This server's own."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import Choice, Member, Number, Record, Switch, Text
from dragoman.domain.usage.budgets import words
from dragoman.domain.usage.budgets.model import MEASURES, PERIODS, SCOPES, Level, Limit, Measure
from dragoman.domain.usage.budgets.service import NewLimit
from dragoman.domain.usage.journal import UsageRecord
from dragoman.domain.usage.receipts.service import Receipt, ReceiptLine
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

LimitId = Annotated[str, Depends(uuid_in_path("limit_id"))]
ReceiptId = Annotated[str, Depends(uuid_in_path("receipt_id"))]
_MICRO = 1_000_000
_LISTED = 100
_MOST_TOKENS = 2**53
LIMIT = Record(
    {
        "scope": Member(Choice(SCOPES), required=True),
        "subject": Member(Text(1, 200)),
        "gateway": Member(Text(1, 200)),
        "measure": Member(Choice(MEASURES), required=True),
        "period": Member(Choice(PERIODS), required=True),
        "amount": Member(Number(0, _MOST_TOKENS), required=True),
        "hard": Member(Switch(), default=True),
    }
)


def _amount(measure: Measure, amount: int) -> int | float:
    return amount / _MICRO if measure == "usd" else amount


def _limit(limit: Limit) -> dict[str, JsonValue]:
    return {
        "id": limit.id,
        "scope": limit.scope,
        "subject": limit.subject,
        "gateway": limit.gateway_id,
        "measure": limit.measure,
        "period": limit.period,
        "amount": _amount(limit.measure, limit.amount),
        "hard": limit.hard,
        "setByOperator": limit.by_operator,
        "createdAt": iso(limit.created_at),
    }


def _level(limit: Limit, level: Level | None) -> dict[str, JsonValue]:
    """A limit with how full it is; one that counts each subject for itself has no level of its own."""
    told: dict[str, JsonValue] = {"name": words.name_of(limit)}
    if level is not None:
        told |= {
            "spent": _amount(limit.measure, level.spent),
            "reserved": _amount(limit.measure, level.reserved),
            "left": _amount(limit.measure, level.left),
            "refillsAt": iso(level.until),
        }
    return {**_limit(limit), **told}


@router.get("/usage/limits")
async def own_limits(request: Request, caller: PrivateCaller) -> Response:
    """What the caller may still use: of each limit of their organisation, user and key, with a sentence.

    Source: this server's own.
    """
    services = services_of(request)
    zone = services.settings.limits.zone
    levels = await services.budgets.own(caller)
    return answer(
        request, [{**_level(level.limit, level), "sentence": words.left(level, zone)} for level in levels]
    )


@router.get("/limits")
async def list_limits(request: Request, caller: PrivateCaller) -> Response:
    """All limits of the organisation with how full they are; for its administrators.

    Source: this server's own.
    """
    budgets = services_of(request).budgets
    limits = await budgets.select(caller)
    levels = await budgets.levels(limits)
    return answer(request, [_level(limit, level) for limit, level in zip(limits, levels, strict=True)])


@router.post("/limits", openapi_extra=json_content(LIMIT))
async def set_limit(request: Request, caller: PrivateCaller) -> Response:
    """Sets a limit; one that differs only in its amount is replaced and keeps what was used. For administrators.

    Source: this server's own.
    """
    values: dict[str, Any] = await read_body(request, LIMIT)
    limit = await services_of(request).budgets.set(caller, wanted_limit(values))
    return answer(request, _limit(limit))


def wanted_limit(values: dict[str, Any]) -> NewLimit:
    """The limit that is asked for; money is given in US dollars.

    Raises:
        InvalidInput: part of a request or of a token.
    """
    amount, measure = values["amount"], values["measure"]
    if measure == "usd":
        amount = round(amount * _MICRO)
    elif amount != int(amount):
        raise InvalidInput("amount must be a whole number of requests or tokens.", param="amount")
    return NewLimit(
        scope=values["scope"],
        measure=measure,
        period=values["period"],
        amount=int(amount),
        hard=values["hard"],
        subject=values.get("subject"),
        gateway=values.get("gateway"),
    )


@router.delete("/limits/{limit_id}")
async def remove_limit(request: Request, caller: PrivateCaller, limit_id: LimitId) -> Response:
    """Removes a limit that the server's operator did not set; for administrators.

    Source: this server's own.
    """
    await services_of(request).budgets.remove(caller, limit_id)
    return said(request, "Limit removed.")


@router.get("/receipts")
async def list_receipts(request: Request, caller: PrivateCaller) -> Response:
    """The caller's receipts of the last 31 days, latest first.

    Source: this server's own.
    """
    limit, offset = window(request)
    limit = min(limit, _LISTED) if "limit" not in request.query_params else limit
    found = await services_of(request).receipts.select(caller, limit=limit, offset=offset)
    return answer(request, [_line(one) for one in found])


def _line(one: ReceiptLine) -> dict[str, JsonValue]:
    return {
        "id": one.id,
        "at": iso(one.at),
        "dialect": one.dialect,
        "models": list(one.models),
        "lines": one.lines,
        "promptTokens": one.prompt_tokens,
        "completionTokens": one.completion_tokens,
        "costUsd": one.cost_micro_usd / _MICRO,
        "status": one.status,
    }


@router.get("/receipts/{receipt_id}")
async def view_receipt(request: Request, caller: PrivateCaller, receipt_id: ReceiptId) -> Response:
    """One receipt: what was used, which way the answer took, what it rests on, what was decided.

    Its id is in the answer's header ``x-dragoman-receipt``.

    Source: this server's own.
    """
    found = await services_of(request).receipts.get(caller, receipt_id)
    return answer(request, shown_receipt(found))


def shown_receipt(receipt: Receipt) -> dict[str, JsonValue]:
    """A receipt as JSON."""
    return {
        "id": receipt.id,
        "costUsd": receipt.cost_micro_usd / _MICRO,
        "lines": [_used(line) for line in receipt.lines],
        "answers": list(receipt.told),
    }


def _used(line: UsageRecord) -> dict[str, JsonValue]:
    return {
        "at": iso(line.at),
        "kind": line.kind,
        "model": line.model,
        "dialect": line.dialect,
        "gatewayId": line.agent_id,
        "endUser": line.end_user,
        "promptTokens": line.prompt_tokens,
        "completionTokens": line.completion_tokens,
        "cachedTokens": line.cached_tokens,
        "estimated": line.estimated,
        "costUsd": line.cost_micro_usd / _MICRO,
        "durationMs": line.duration_ms,
        "status": line.status,
    }
