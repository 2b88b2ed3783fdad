"""``dragoman audit``."""

import argparse
import asyncio

import orjson

from dragoman.bootstrap.accounts import open_accounts
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.audit.chain import Event
from dragoman.domain.accounts.audit.service import Chain
from dragoman.domain.accounts.audit.shown import shown
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("at", "number", "actor", "address", "action", "target", "outcome")
_CEF_SEVERITY = {"done": 3, "refused": 6}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``verify``, ``tail``, ``export`` and ``redact``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = add_action(actions, "verify", "check that nothing recorded was changed, dropped or reordered")
    verify.add_argument(
        "--expect",
        metavar="ORGANISATION:NUMBER:HASH",
        help="an end noted before, which must still be in the chain",
    )
    verify.set_defaults(run=_verify)
    tail = add_action(actions, "tail", "show the latest events")
    tail.add_argument("-n", "--count", type=int, default=20, metavar="N", help="how many (default: 20)")
    tail.set_defaults(run=_tail)
    export = add_action(actions, "export", "print every event, one a line")
    export.add_argument("--format", choices=("jsonl", "cef"), default="jsonl", help="default: jsonl")
    export.set_defaults(run=_export)
    redact = add_action(actions, "redact", "take the content out of events and keep the chain")
    redact.add_argument("numbers", type=int, nargs="+", metavar="NUMBER", help="the events' numbers")
    redact.add_argument("--reason", required=True, metavar="TEXT", help="why; it is recorded")
    redact.set_defaults(run=_redact)
    for action in (verify, tail, export):
        action.add_argument("--organisation", metavar="O", help="only this organisation's, by name or id")
    redact.add_argument("--organisation", metavar="O", required=True, help="whose events, by name or id")


def _verify(arguments: argparse.Namespace) -> int:
    rows = asyncio.run(_verified(read_settings(arguments).settings, arguments))
    whole = all(row["state"] != "broken" for row in rows)
    if arguments.json:
        print_json({"ok": whole, "chains": rows})
    else:
        print_table(rows, ("organisation", "events", "state", "row", "detail"))
    return 0 if whole else 1


async def _verified(settings: Settings, arguments: argparse.Namespace) -> list[dict[str, object]]:
    async with open_accounts(settings) as accounts:
        rows = [_checked(chain) for chain in await accounts.audit.verify(arguments.organisation)]
        if arguments.expect is not None:
            organisation, number, known = _expected(arguments.expect)
            found = await accounts.audit.hash_of(organisation, number)
            if found != known:
                detail = "the chain does not have the end that was noted before"
                rows.append(
                    {"organisation": organisation, "events": None, "state": "broken", "kind": "replaced"}
                )
                rows[-1] |= {"row": number, "detail": detail, "head": None, "organisation_id": None}
        return rows


def _expected(text: str) -> tuple[str, int, str]:
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not parts[1].isdecimal():
        raise InvalidInput("--expect must have the form ORGANISATION:NUMBER:HASH.", param="expect")
    return parts[0], int(parts[1]), parts[2]


def _checked(chain: Chain) -> dict[str, object]:
    problem, head = chain.problem, chain.head
    state = "broken" if problem else "empty" if head is None else "whole"
    return {
        "organisation": chain.organisation,
        "organisation_id": chain.organisation_id,
        "events": 0 if head is None else head.number,
        "head": None if head is None else head.hash,
        "state": state,
        "kind": problem.kind if problem else None,
        "row": problem.number if problem else None,
        "detail": problem.detail if problem else None,
    }


def _tail(arguments: argparse.Namespace) -> int:
    if arguments.count < 1:
        raise InvalidInput("--count must be at least 1.", param="count")
    rows = [shown(event) for event in asyncio.run(_latest(read_settings(arguments).settings, arguments))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _latest(settings: Settings, arguments: argparse.Namespace) -> list[Event]:
    async with open_accounts(settings) as accounts:
        return await accounts.audit.tail(arguments.organisation, arguments.count)


def _export(arguments: argparse.Namespace) -> int:
    # Every line is JSON already, so ``--json`` changes nothing but forbids the other format.
    if arguments.json and arguments.format == "cef":
        raise InvalidInput("--json and --format cef exclude each other.", param="format")
    asyncio.run(_exported(read_settings(arguments).settings, arguments))
    return 0


async def _exported(settings: Settings, arguments: argparse.Namespace) -> None:
    async with open_accounts(settings) as accounts:
        async for event in accounts.audit.export(arguments.organisation):
            print(_cef(event) if arguments.format == "cef" else orjson.dumps(shown(event)).decode())


def _redact(arguments: argparse.Namespace) -> int:
    gone = asyncio.run(_redacted(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"redacted": gone})
    else:
        print(f"redacted {', '.join(map(str, gone))}")
    return 0


async def _redacted(settings: Settings, arguments: argparse.Namespace) -> list[int]:
    async with open_accounts(settings) as accounts:
        return await accounts.audit.redact(arguments.organisation, arguments.numbers, arguments.reason)


def _cef(event: Event) -> str:
    """An event in ArcSight's Common Event Format, version 0."""
    told = event.told()
    fields = {
        "rt": event.at,
        "externalId": f"{event.organisation_id}:{event.number}",
        "suser": told.get("actor"),
        "suid": told.get("actor_id"),
        "src": _address(told.get("address")),
        "outcome": event.outcome,
        "cs1Label": "target",
        "cs1": told.get("target"),
        "cs2Label": "hash",
        "cs2": event.hash,
        "cs3Label": "key" if told.get("key") else None,
        "cs3": told.get("key"),
        "cs4Label": "details",
        "cs4": orjson.dumps(told.get("details") or {}).decode(),
    }
    extension = " ".join(f"{name}={_cef_value(value)}" for name, value in fields.items() if value is not None)
    name = _cef_header(event.action)
    return f"CEF:0|Dragoman|Dragoman|1|{name}|{name}|{_CEF_SEVERITY.get(event.outcome, 5)}|{extension}"


def _address(value: object) -> object:
    # ``src`` must be an IP address.
    return value if value not in ("local", "unknown") else None


def _cef_header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("\r", " ")


def _cef_value(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")
