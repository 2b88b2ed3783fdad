"""``dragoman groups``."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from dragoman.bootstrap.accounts import open_accounts
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.groups.service import Group, GroupsService
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.clock import iso
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "members", "created_at")
_Work = Callable[[GroupsService, Steward], Awaitable[object]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``create``, ``delete``, ``add``, ``remove`` and ``list``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (
        ("create", "create a group without members"),
        ("delete", "delete a group; what was shared with it is so no longer"),
        ("add", "put a user into a group"),
        ("remove", "take a user out of a group"),
    ):
        action = add_action(actions, name, summary)
        action.add_argument("group", metavar="GROUP", help="the group's name")
        if name in ("add", "remove"):
            action.add_argument("--email", required=True, metavar="E", help="the user's e-mail")
        action.set_defaults(run=_change)
        _add_organisation(action)
    listing = add_action(actions, "list", "list an organisation's groups with their members")
    _add_organisation(listing)
    listing.set_defaults(run=_list)


def _add_organisation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--organisation", metavar="O", help="the organisation's name or id; not needed when there is only one"
    )


def _shown(group: Group) -> dict[str, object]:
    return {
        "id": group.id,
        "name": group.name,
        "members": list(group.members),
        "created_at": iso(group.created_at),
    }


def _change(arguments: argparse.Namespace) -> int:
    name, email, action = arguments.group, getattr(arguments, "email", ""), arguments.action
    work: dict[str, _Work] = {
        "create": lambda groups, steward: groups.create(steward, name),
        "delete": lambda groups, steward: groups.delete(steward, name),
        "add": lambda groups, steward: groups.add(steward, name, email),
        "remove": lambda groups, steward: groups.remove(steward, name, email),
    }
    settings = read_settings(arguments).settings
    after = asyncio.run(_groups(settings, arguments.organisation, work[action]))
    found = next((group for group in after if name in (group.name, group.id)), None)
    if arguments.json:
        print_json(_shown(found) if found is not None else {"name": name, "deleted": True})
    elif found is None:
        print(f"deleted group {name}")
    else:
        print(f"group {found.name}: {', '.join(found.members) or 'no members'}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    found = asyncio.run(_groups(settings, arguments.organisation, None))
    if arguments.json:
        print_json([_shown(group) for group in found])
    else:
        print_table([{**_shown(group), "members": ", ".join(group.members)} for group in found], _COLUMNS)
    return 0


async def _groups(settings: Settings, organisation: str | None, work: _Work | None) -> list[Group]:
    """The organisation's groups, after the work was done."""
    async with open_accounts(settings) as accounts:
        steward = Steward((await accounts.tenants.organisation(organisation)).id)
        if work is not None:
            await work(accounts.groups, steward)
        return await accounts.groups.select(steward)
