"""``dragoman organisations``."""

import argparse
import asyncio

from dragoman.bootstrap.accounts import open_accounts
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.tenants.service import Organisation
from dragoman.kit.clock import iso
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "users", "groups", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``create`` and ``list``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = add_action(actions, "create", "create an organisation without users")
    create.add_argument("name", metavar="NAME", help="what it is called; no two have the same name")
    create.set_defaults(run=_create)
    add_action(actions, "list", "list all organisations").set_defaults(run=_list)


def _shown(organisation: Organisation) -> dict[str, object]:
    return {
        "id": organisation.id,
        "name": organisation.name,
        "users": organisation.users,
        "groups": organisation.groups,
        "created_at": iso(organisation.created_at),
    }


def _create(arguments: argparse.Namespace) -> int:
    made = asyncio.run(_created(read_settings(arguments).settings, arguments.name))
    if arguments.json:
        print_json(_shown(made))
    else:
        print(f"created organisation {made.name} (id {made.id})")
        print(f"next: dragoman users create --email you@example.org --organisation {made.name!r}")
    return 0


async def _created(settings: Settings, name: str) -> Organisation:
    async with open_accounts(settings) as accounts:
        return await accounts.tenants.create(name)


def _list(arguments: argparse.Namespace) -> int:
    rows = [_shown(one) for one in asyncio.run(_all(read_settings(arguments).settings))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _all(settings: Settings) -> list[Organisation]:
    async with open_accounts(settings) as accounts:
        return await accounts.tenants.organisations()
