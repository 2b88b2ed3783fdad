"""``dragoman usage``."""

import argparse
import asyncio
import csv
import sys
from datetime import datetime, tzinfo

from dragoman.bootstrap.accounting import open_accounting
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.usage.summaries import BY, By, UsageLine
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("name", "requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")
_CSV = ("organisation_id", "key", *_COLUMNS)
_MICRO = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``report``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    report = add_action(actions, "report", "sum up what was used")
    report.add_argument("--by", choices=BY, default="day", help="what to sum up by (day)")
    report.add_argument("--since", metavar="DATE", help="from this day on, as 2026-11-01")
    report.add_argument("--until", metavar="DATE", help="up to before this day")
    report.add_argument("--organisation", metavar="O", help="only this one, by name or id")
    report.add_argument("--csv", action="store_true", help="print CSV")
    report.set_defaults(run=_report)


def _moment(text: str | None, name: str, zone: tzinfo) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--{name} is a date as 2026-11-01, not {text!r}.", param=name) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _shown(line: UsageLine, names: dict[str, str]) -> dict[str, object]:
    return {
        "organisation_id": line.organisation_id,
        "key": line.key,
        "name": names.get(line.key or "", line.key),
        "requests": line.requests,
        "prompt_tokens": line.prompt_tokens,
        "completion_tokens": line.completion_tokens,
        "cached_tokens": line.cached_tokens,
        "cost_usd": line.cost_micro_usd / _MICRO,
    }


def _report(arguments: argparse.Namespace) -> int:
    if arguments.csv and arguments.json:
        raise InvalidInput("Choose one of --csv and --json.")
    settings = read_settings(arguments).settings
    zone = settings.limits.zone
    between = _moment(arguments.since, "since", zone), _moment(arguments.until, "until", zone)
    rows = asyncio.run(_rows(settings, arguments.organisation, arguments.by, between))
    if arguments.json:
        print_json(rows)
    elif arguments.csv:
        writer = csv.DictWriter(sys.stdout, _CSV, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(row[name]) for name in _CSV} for row in rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


def _inert(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


async def _rows(
    settings: Settings, organisation: str | None, by: By, between: tuple[int | None, int | None]
) -> list[dict[str, object]]:
    async with open_accounting(settings) as accounting:
        chosen = None if organisation is None else await accounting.organisation_id(organisation)
        since, until = between
        lines = await accounting.summaries.everybody(chosen, by, since=since, until=until)
        names = await accounting.names(chosen) if by in ("user", "key", "gateway") else {}
        return [_shown(line, names) for line in lines]
