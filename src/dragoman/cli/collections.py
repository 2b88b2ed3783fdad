"""``dragoman collections``."""

import argparse
import asyncio
from typing import Any

from dragoman.bootstrap.services import open_services
from dragoman.cli import document_access, reembed
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.model import Collection, DocumentCounts
from dragoman.domain.services import Services
from dragoman.kit.clock import iso
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "label", "documents", "indexed", "waiting", "failed", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``create``, ``delete``, ``label``, ``share``, ``unshare``, ``access``, ``embedders``, ``reembed``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list the collections a user may search")
    create = add_action(actions, "create", "create a collection")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--context", metavar="TEXT", help="what the documents are about")
    delete = add_action(actions, "delete", "delete a collection with all its documents")
    delete.add_argument("name", metavar="NAME", help="name or id")
    label = add_action(actions, "label", "put a collection under a label, which binds its text")
    label.add_argument("name", metavar="NAME", help="name or id")
    wanted = label.add_mutually_exclusive_group(required=True)
    wanted.add_argument("label", metavar="LABEL", nargs="?", help="one of labels.policies, as CUI")
    wanted.add_argument("--none", action="store_true", help="take the label away")
    share = add_action(actions, "share", "let others use a collection")
    share.add_argument(
        "--permission", choices=("read", "edit", "admin"), default="read", help="what they may do; read"
    )
    unshare = add_action(actions, "unshare", "let others use a collection no longer")
    for action in (share, unshare):
        action.add_argument("name", metavar="NAME", help="name or id")
        whom = action.add_mutually_exclusive_group(required=True)
        whom.add_argument("--user", metavar="E", help="one user, by e-mail")
        whom.add_argument("--group", metavar="G", help="everybody in a group of the organisation")
        whom.add_argument("--all", action="store_true", help="everybody of the organisation, to read")
    for action, run in (
        (listing, _list),
        (create, _create),
        (delete, _delete),
        (label, _label),
        (share, _share),
        (unshare, _share),
    ):
        add_email(action)
        action.set_defaults(run=run)
    reembed.add_actions(actions)
    access = add_action(actions, "access", "show or set who may read a single document")
    add_email(access)
    document_access.configure(access)


def _shown(collection: Collection, counts: DocumentCounts) -> dict[str, object]:
    return {
        "id": collection.id,
        "name": collection.name,
        "label": collection.label,
        "documents": counts.total,
        "indexed": counts.indexed,
        "waiting": counts.waiting,
        "failed": counts.failed,
        "created_at": iso(collection.created_at),
    }


async def _rows(services: Services, caller: Caller, found: list[Collection]) -> list[dict[str, object]]:
    counts = await services.collections.counts(caller, found)
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
        return await _rows(services, caller, await services.collections.visible(caller))


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
        made = await services.collections.create(caller, arguments.name, context=arguments.context)
        return (await _rows(services, caller, [made]))[0]


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
        await services.collections.delete(caller, found.id)
        return found.name


def _label(arguments: argparse.Namespace) -> int:
    row = asyncio.run(_labelled(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(row)
    elif row["label"] is None:
        print(f"collection {row['name']} bears no label")
    else:
        print(f"collection {row['name']} bears the label {row['label']}")
    return 0


async def _labelled(settings: Settings, arguments: argparse.Namespace) -> dict[str, object]:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await collection_for(services, caller, arguments.name)
        label = None if arguments.none else arguments.label
        return (
            await _rows(services, caller, [await services.collections.set_label(caller, found.id, label)])
        )[0]


def _share(arguments: argparse.Namespace) -> int:
    shared = asyncio.run(_shared(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(shared)
    else:
        print(f"{arguments.name}: {shared['visibility']}")
        for holder in (*shared["users"], *shared["groups"]):
            print(f"  {holder['name']}: {holder['permission']}")
    return 0


async def _shared(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    async with open_services(settings) as services:
        caller, sharing = await caller_for(services, arguments.email), services.sharing
        found = await collection_for(services, caller, arguments.name)
        adds = arguments.action == "share"
        if arguments.all:
            await sharing.open_to_organisation(caller, found.id, opened=adds)
        elif arguments.group and adds:
            await sharing.grant_group(caller, found.id, arguments.group, arguments.permission)
        elif arguments.group:
            await sharing.revoke_group(caller, found.id, arguments.group)
        elif adds:
            await sharing.grant(caller, found.id, arguments.user, arguments.permission)
        else:
            await sharing.revoke(caller, found.id, arguments.user)
        users = await sharing.grants(caller, found.id)
        groups = await sharing.group_grants(caller, found.id)
        return {
            "id": found.id,
            "name": found.name,
            "visibility": (await services.collections.get(caller, found.id)).visibility,
            "users": [{"name": grant.email, "permission": grant.permission} for grant in users],
            "groups": [{"name": grant.name, "permission": grant.permission} for grant in groups],
        }
