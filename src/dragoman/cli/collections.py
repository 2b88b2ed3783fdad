"""``dragoman collections``."""

import argparse
import asyncio

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.knowledge.model import Collection, DocumentCounts
from dragoman.domain.services import Services
from dragoman.kit.clock import iso
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "documents", "indexed", "waiting", "failed", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``create`` and ``delete``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list the collections a user may search")
    create = add_action(actions, "create", "create a collection")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--context", metavar="TEXT", help="what the documents are about")
    delete = add_action(actions, "delete", "delete a collection with all its documents")
    delete.add_argument("name", metavar="NAME", help="name or id")
    for action, run in ((listing, _list), (create, _create), (delete, _delete)):
        add_email(action)
        action.set_defaults(run=run)


def _shown(collection: Collection, counts: DocumentCounts) -> dict[str, object]:
    return {
        "id": collection.id,
        "name": collection.name,
        "documents": counts.total,
        "indexed": counts.indexed,
        "waiting": counts.waiting,
        "failed": counts.failed,
        "created_at": iso(collection.created_at),
    }


async def _rows(services: Services, found: list[Collection]) -> list[dict[str, object]]:
    counts = await services.knowledge.counts(found)
    return [_shown(collection, counts[collection.key]) for collection in found]


def _list(arguments: argparse.Namespace) -> int:
    rows = asyncio.run(_listed(read_settings(arguments).settings, arguments.email))
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _listed(settings: Settings, email: str | None) -> list[dict[str, object]]:
    async with open_services(settings) as services:
        caller = await caller_for(services, email)
        return await _rows(services, await services.knowledge.collections(caller))


def _create(arguments: argparse.Namespace) -> int:
    row = asyncio.run(_created(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(row)
    else:
        print(f"created collection {row['name']} (id {row['id']})")
    return 0


async def _created(settings: Settings, arguments: argparse.Namespace) -> dict[str, object]:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        made = await services.knowledge.create_collection(caller, arguments.name, context=arguments.context)
        return (await _rows(services, [made]))[0]


def _delete(arguments: argparse.Namespace) -> int:
    name = asyncio.run(_deleted(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"deleted": name})
    else:
        print(f"deleted collection {name}")
    return 0


async def _deleted(settings: Settings, arguments: argparse.Namespace) -> str:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await collection_for(services, caller, arguments.name)
        await services.knowledge.delete_collection(caller, found.id)
        return found.name
