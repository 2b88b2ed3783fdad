"""``dragoman keys``."""

import argparse
import asyncio
from typing import get_args

from dragoman.bootstrap.accounts import open_accounts
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.model import ApiKey, KeyKind
from dragoman.kit.clock import iso, now_ms
from dragoman.settings import Settings

_COLUMNS = ("id", "email", "label", "key", "kind", "state", "expires_at", "used_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``create``, ``list`` and ``revoke``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = add_action(actions, "create", "create an API key; it is shown this once")
    create.add_argument("--email", required=True, metavar="E", help="e-mail of the user it is for")
    create.add_argument("--label", default="", metavar="L", help="what it is for")
    create.add_argument("--days", type=int, metavar="N", help="days until it expires; without it, never")
    create.add_argument("--kind", choices=get_args(KeyKind), default="private", help="default: private")
    create.set_defaults(run=_create)
    listing = add_action(actions, "list", "list API keys")
    listing.add_argument("--email", metavar="E", help="only those of this user")
    listing.set_defaults(run=_list)
    revoke = add_action(actions, "revoke", "end an API key at once")
    revoke.add_argument("id", metavar="ID", help="the key's id, as keys list shows it")
    revoke.set_defaults(run=_revoke)


def _create(arguments: argparse.Namespace) -> int:
    key_id, key = asyncio.run(_create_key(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"id": key_id, "key": key})
    else:
        print(key)
    return 0


async def _create_key(settings: Settings, wanted: argparse.Namespace) -> tuple[str, str]:
    async with open_accounts(settings) as accounts:
        return await accounts.admin.create_key(wanted.email, wanted.label, days=wanted.days, kind=wanted.kind)


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "email": key.email,
        "label": key.label,
        "key": f"...{key.last_six}",
        "kind": key.kind,
        "state": _state(key),
        "created_at": iso(key.created_at),
        "expires_at": None if key.expires_at is None else iso(key.expires_at),
        "used_at": None if key.used_at is None else iso(key.used_at),
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now_ms():
        return "expired"
    return "in force"


def _list(arguments: argparse.Namespace) -> int:
    rows = [_shown(key) for key in asyncio.run(_keys(read_settings(arguments).settings, arguments.email))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _keys(settings: Settings, email: str | None) -> list[ApiKey]:
    async with open_accounts(settings) as accounts:
        return await accounts.admin.keys(email)


def _revoke(arguments: argparse.Namespace) -> int:
    asyncio.run(_revoke_key(read_settings(arguments).settings, arguments.id))
    if arguments.json:
        print_json({"id": arguments.id, "state": "revoked"})
    else:
        print(f"revoked {arguments.id}")
    return 0


async def _revoke_key(settings: Settings, key_id: str) -> None:
    async with open_accounts(settings) as accounts:
        await accounts.admin.revoke_key(key_id)
