"""``dragoman users``."""

import argparse
import asyncio
from typing import get_args

from dragoman.bootstrap.accounts import open_accounts
from dragoman.cli import erase
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Role
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.signin.model import SetupLink
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.clock import iso
from dragoman.kit.public_address import PublicAddress
from dragoman.settings import Settings

_COLUMNS = ("id", "email", "organisation", "role", "disabled", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``create``, ``list``, ``setup-link``, ``disable``, ``enable``, ``role`` and ``erase``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = add_action(actions, "create", "create a user")
    create.add_argument("--email", required=True, metavar="E", help="the user's e-mail")
    create.add_argument(
        "--organisation", metavar="O", help="name of the organisation; without it, one of the user's own"
    )
    create.add_argument(
        "--role", choices=get_args(Role), help="owner for the first of an organisation, else editor"
    )
    create.set_defaults(run=_create)
    add_action(actions, "list", "list all users").set_defaults(run=_list)
    link = add_action(
        actions, "setup-link", "make a link by which a user sets a password for the console, once"
    )
    link.add_argument("email", metavar="EMAIL", help="the user's e-mail")
    link.set_defaults(run=_setup_link)
    for name, summary in (("disable", "lock a user out, keys included"), ("enable", "let a user in again")):
        change = add_action(actions, name, summary)
        change.add_argument("--email", required=True, metavar="E", help="the user's e-mail")
        change.set_defaults(run=_set_disabled, disabled=name == "disable")
    role = add_action(actions, "role", "give a user another role in the organisation")
    role.add_argument("--email", required=True, metavar="E", help="the user's e-mail")
    role.add_argument("--role", required=True, choices=get_args(Role), help="the new role")
    role.set_defaults(run=_set_role)
    erase.configure(
        add_action(actions, "erase", "remove a person and what is theirs; shows first what that is")
    )


def _shown(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "organisation": user.organisation,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": iso(user.created_at),
    }


def _create(arguments: argparse.Namespace) -> int:
    new = NewUser(arguments.email, arguments.organisation, arguments.role)
    user = asyncio.run(_create_user(read_settings(arguments).settings, new))
    if arguments.json:
        print_json(_shown(user))
    else:
        print(f"created {user.email}, {user.role} of {user.organisation} (id {user.id})")
        print(f"next: dragoman keys create --email {user.email}")
    return 0


async def _create_user(settings: Settings, new: NewUser) -> User:
    async with open_accounts(settings) as accounts:
        return await accounts.admin.create_user(new)


def _list(arguments: argparse.Namespace) -> int:
    rows = [_shown(user) for user in asyncio.run(_all_users(read_settings(arguments).settings))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _all_users(settings: Settings) -> list[User]:
    async with open_accounts(settings) as accounts:
        return await accounts.admin.users()


def _set_role(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    user = asyncio.run(_changed_role(settings, arguments.email, arguments.role))
    if arguments.json:
        print_json(_shown(user))
    else:
        print(f"{user.email} is {user.role} of {user.organisation} now")
    return 0


async def _changed_role(settings: Settings, email: str, role: Role) -> User:
    async with open_accounts(settings) as accounts:
        organisation_id = (await accounts.admin.caller(email)).organisation_id
        return await accounts.members.set_role(Steward(organisation_id), email, role)


def _setup_link(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    link = asyncio.run(_make_link(settings, arguments.email))
    server, secure = settings.server, settings.tls.certificate is not None
    base = PublicAddress(server.public_url, server.host, server.port, secure=secure).own
    url = f"{base}/console/setup#{link.token}"
    if arguments.json:
        print_json({"email": link.email, "url": url, "expires_at": iso(link.expires_at)})
    else:
        print(f"{url}\n(sets the password of {link.email}; once, until {iso(link.expires_at)})")
    return 0


async def _make_link(settings: Settings, email: str) -> SetupLink:
    async with open_accounts(settings) as accounts:
        return await accounts.signin.setup_link(email)


def _set_disabled(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    asyncio.run(_change(settings, arguments.email, disabled=arguments.disabled))
    if arguments.json:
        print_json({"email": arguments.email, "disabled": arguments.disabled})
    else:
        print(f"{'disabled' if arguments.disabled else 'enabled'} {arguments.email}")
    return 0


async def _change(settings: Settings, email: str, *, disabled: bool) -> None:
    async with open_accounts(settings) as accounts:
        await accounts.admin.set_disabled(email, disabled)
