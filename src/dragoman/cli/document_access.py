"""``dragoman collections access``."""

import argparse
import asyncio
from typing import Any

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import read_settings
from dragoman.cli.output import print_json
from dragoman.cli.whose import caller_for, collection_for
from dragoman.domain.knowledge.access import ROLES, DocumentAccess
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the document and its readers."""
    parser.add_argument("name", metavar="NAME", help="the collection's name or id")
    parser.add_argument("document", metavar="DOCUMENT", help="the document's id, or its exact name")
    parser.add_argument(
        "--user", metavar="E", action="append", default=[], help="restrict to this user and others named"
    )
    parser.add_argument(
        "--group", metavar="G", action="append", default=[], help="restrict to this group and others named"
    )
    parser.add_argument(
        "--role", choices=ROLES, action="append", default=[], help="restrict to this role and others named"
    )
    parser.add_argument(
        "--owner-only", action="store_true", help="restrict to who owns or administers the collection"
    )
    parser.add_argument("--open", action="store_true", help="let all read it who may search the collection")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    shown = asyncio.run(_done(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(shown)
    elif not shown["restricted"]:
        print(f"{shown['name']}: all who may search the collection")
    else:
        print(f"{shown['name']}: restricted to who owns or administers the collection")
        for kind in ("users", "groups", "roles"):
            for one in shown[kind]:
                print(f"  {kind[:-1]} {one}")
    return 0


def _wanted(arguments: argparse.Namespace) -> DocumentAccess | None:
    named = bool(arguments.user or arguments.group or arguments.role)
    if arguments.open and (named or arguments.owner_only):
        raise InvalidInput("--open goes with no readers.", param="open")
    if arguments.open:
        return DocumentAccess(False)
    if not named and not arguments.owner_only:
        return None
    return DocumentAccess(True, tuple(arguments.user), tuple(arguments.group), tuple(arguments.role))


async def _done(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = _wanted(arguments)
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await collection_for(services, caller, arguments.name)
        documents = {one.id: one for one in await services.copies.all(caller, found.id)}
        named = [one for one in documents.values() if arguments.document in (one.id, one.name)]
        if len(named) != 1:
            why = "There is no document" if not named else f"There are {len(named)} documents"
            raise InvalidInput(
                f"{why} {arguments.document!r} in {found.name}; give its id.", param="document"
            )
        access = services.document_access
        if wanted is None:
            told = await access.get(caller, found.id, named[0].id)
        else:
            told = await access.put(caller, found.id, named[0].id, wanted)
        return {
            "id": named[0].id,
            "name": named[0].name,
            "restricted": told.restricted,
            "users": list(told.users),
            "groups": list(told.groups),
            "roles": list(told.roles),
        }
