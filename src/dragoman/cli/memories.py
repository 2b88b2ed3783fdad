"""``dragoman memories``."""

import argparse
import asyncio

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for
from dragoman.domain.memories.model import Memory, MemoryFilter
from dragoman.domain.memories.service import MOST_DAYS, MemoryDraft
from dragoman.kit.clock import iso
from dragoman.settings import Settings

_COLUMNS = ("id", "user", "format", "content", "created_at", "expires_at")
_FORMATS = {"text": "text", "date-reminder": "date_reminder"}
_SHOWN_CHARACTERS = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``create`` and ``delete``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list what is remembered, newest first")
    listing.add_argument("--filter", metavar="TEXT", help="only what holds this text, or is of this user")
    create = add_action(actions, "create", "remember something of somebody")
    create.add_argument("user", metavar="USER", help="the external id of the person")
    create.add_argument("content", metavar="TEXT")
    create.add_argument("--format", choices=_FORMATS, default="text")
    create.add_argument(
        "--days", type=int, metavar="N", help=f"keep it so long, 1 to {MOST_DAYS}, not for ever"
    )
    create.add_argument("--gateway", metavar="NAME", help="the gateway that it belongs to")
    delete = add_action(actions, "delete", "forget something, or all of somebody's in one format")
    delete.add_argument("id", metavar="ID", nargs="?", help="the memory; or else give --user")
    delete.add_argument("--user", metavar="USER", help="forget all of this person's")
    delete.add_argument("--format", choices=_FORMATS, default="text", help="which of the person's")
    for action, run in ((listing, _list), (create, _create), (delete, _delete)):
        add_email(action)
        action.set_defaults(run=run, parser=action)


def _shown(memory: Memory) -> dict[str, object]:
    return {
        "id": memory.id,
        "user": memory.external_user_id,
        "format": memory.format,
        "content": memory.content,
        "gateway": memory.agent_id,
        "created_at": iso(memory.created_at),
        "expires_at": None if memory.expires_at is None else iso(memory.expires_at),
    }


def _line(row: dict[str, object]) -> dict[str, object]:
    text = " ".join(str(row["content"]).split())
    return {**row, "content": text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"}


def _list(arguments: argparse.Namespace) -> int:
    rows = asyncio.run(_listed(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(rows)
    else:
        print_table([_line(row) for row in rows], _COLUMNS)
    return 0


async def _listed(settings: Settings, arguments: argparse.Namespace) -> list[dict[str, object]]:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await services.memories.select(caller, MemoryFilter(text=arguments.filter))
        return [_shown(memory) for memory in found]


def _create(arguments: argparse.Namespace) -> int:
    row = asyncio.run(_created(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(row)
    else:
        print(f"remembered of {row['user']} (id {row['id']})")
    return 0


async def _created(settings: Settings, arguments: argparse.Namespace) -> dict[str, object]:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        agent_id = None
        if arguments.gateway is not None:
            agent_id = (await services.runner.resolve(caller, arguments.gateway)).id
        draft = MemoryDraft(
            arguments.user,
            arguments.content,
            _FORMATS[arguments.format],  # pyright: ignore[reportArgumentType]
            arguments.days,
            agent_id,
        )
        return _shown(await services.memories.save(caller, draft))


def _delete(arguments: argparse.Namespace) -> int:
    if (arguments.id is None) == (arguments.user is None):
        arguments.parser.error("give either an ID or --user")
    count = asyncio.run(_deleted(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"deleted": count})
    else:
        print(f"deleted {count} {'memory' if count == 1 else 'memories'}")
    return 0


async def _deleted(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        if arguments.id is not None:
            await services.memories.remove(caller, arguments.id)
            return 1
        kind = _FORMATS[arguments.format]
        return await services.memories.clear(caller, arguments.user, kind)  # pyright: ignore[reportArgumentType]
