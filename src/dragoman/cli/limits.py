"""``dragoman limits``."""

import argparse
import asyncio
from typing import cast

from dragoman.bootstrap.accounting import open_accounting
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.usage.budgets import words
from dragoman.domain.usage.budgets.model import PERIODS, SCOPES, Level, Limit, Measure, Scope
from dragoman.domain.usage.budgets.service import NewLimit
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("id", "scope", "subject", "limit", "hard", "spent", "refills_at")
_MICRO = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``set``, ``list`` and ``remove``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_set(add_action(actions, "set", "set a limit, or change the amount of one"))
    listing = add_action(actions, "list", "list limits and how full they are")
    listing.add_argument("--organisation", metavar="O", help="only this one's, by name or id")
    listing.set_defaults(run=_list)
    remove = add_action(actions, "remove", "remove a limit")
    remove.add_argument("id", metavar="ID", help="the limit's id, as 'limits list' shows it")
    remove.set_defaults(run=_remove)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scope",
        required=True,
        choices=[scope.replace("_", "-") for scope in SCOPES],
        help="whom it counts for",
    )
    parser.add_argument(
        "--subject", metavar="S", help="which user, key, gateway or end user; without it each for itself"
    )
    parser.add_argument("--gateway", metavar="G", help="only end users of this gateway")
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--requests", type=int, metavar="N", help="so many requests")
    amount.add_argument(
        "--tokens", type=int, metavar="N", help="so many tokens, prompts and answers together"
    )
    amount.add_argument("--usd", type=float, metavar="X", help="so many US dollars")
    parser.add_argument("--every", required=True, choices=PERIODS, help="the period it counts in")
    parser.add_argument("--soft", action="store_true", help="warn only, instead of refusing")
    parser.add_argument(
        "--organisation", metavar="O", help="the organisation's name or id; not needed when there is only one"
    )
    parser.set_defaults(run=_set)


def _wanted(arguments: argparse.Namespace) -> NewLimit:
    measure: Measure = "requests"
    amount: int | None = arguments.requests
    if arguments.tokens is not None:
        measure, amount = "tokens", arguments.tokens
    elif arguments.usd is not None:
        if not 0 <= arguments.usd < _MICRO * _MICRO:
            raise InvalidInput("--usd is an amount of 0 or more.", param="usd")
        measure, amount = "usd", round(arguments.usd * _MICRO)
    return NewLimit(
        scope=cast("Scope", arguments.scope.replace("-", "_")),
        measure=measure,
        period=arguments.every,
        amount=amount or 0,
        hard=not arguments.soft,
        subject=arguments.subject,
        gateway=arguments.gateway,
    )


def _shown(limit: Limit, level: Level | None = None) -> dict[str, object]:
    return {
        "id": limit.id,
        "organisation_id": limit.organisation_id,
        "scope": limit.scope.replace("_", "-"),
        "subject": limit.subject,
        "gateway": limit.gateway_id,
        "measure": limit.measure,
        "period": limit.period,
        "amount": _plain(limit.measure, limit.amount),
        "hard": limit.hard,
        "set_by_operator": limit.by_operator,
        "created_at": iso(limit.created_at),
        "spent": None if level is None else _plain(limit.measure, level.spent),
        "reserved": None if level is None else _plain(limit.measure, level.reserved),
        "refills_at": None if level is None else iso(level.until),
    }


def _plain(measure: Measure, amount: int) -> int | float:
    return amount / _MICRO if measure == "usd" else amount


def _set(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    limit = asyncio.run(_set_limit(settings, arguments.organisation, _wanted(arguments)))
    if arguments.json:
        print_json(_shown(limit))
    else:
        print(f"{words.name_of(limit)} is set (id {limit.id})")
    return 0


async def _set_limit(settings: Settings, organisation: str | None, wanted: NewLimit) -> Limit:
    async with open_accounting(settings) as accounting:
        return await accounting.budgets.set_for(await accounting.organisation_id(organisation), wanted)


def _list(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    found, names = asyncio.run(_all_limits(settings, arguments.organisation))
    rows = [_shown(limit, level) for limit, level in found]
    if arguments.json:
        print_json(rows)
        return 0
    for row, (limit, _) in zip(rows, found, strict=True):
        row["limit"] = f"{words.quantity(limit.measure, limit.amount)} a {limit.period}"
        row["subject"] = names.get(limit.subject or "", limit.subject) or "each"
    print_table(rows, _COLUMNS)
    return 0


async def _all_limits(
    settings: Settings, organisation: str | None
) -> tuple[list[tuple[Limit, Level | None]], dict[str, str]]:
    async with open_accounting(settings) as accounting:
        budgets = accounting.budgets
        limits = await budgets.select_for(organisation)
        names = await budgets.organisations() | await accounting.names(None)
        return list(zip(limits, await budgets.levels(limits), strict=True)), names


def _remove(arguments: argparse.Namespace) -> int:
    asyncio.run(_remove_limit(read_settings(arguments).settings, arguments.id))
    if arguments.json:
        print_json({"id": arguments.id, "removed": True})
    else:
        print(f"removed limit {arguments.id}")
    return 0


async def _remove_limit(settings: Settings, limit_id: str) -> None:
    async with open_accounting(settings) as accounting:
        await accounting.budgets.remove_for(limit_id)
