"""``dragoman organisations``."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

from dragoman.bootstrap.accounts import open_accounts
from dragoman.bootstrap.moving import export_organisation, import_organisation
from dragoman.cli import removal
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.accounts.tenants.service import Organisation
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("id", "name", "users", "groups", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``create``, ``list``, ``export``, ``import`` and ``remove``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = add_action(actions, "create", "create an organisation without users")
    create.add_argument("name", metavar="NAME", help="what it is called; no two have the same name")
    create.set_defaults(run=_create)
    add_action(actions, "list", "list all organisations").set_defaults(run=_list)
    out = add_action(actions, "export", "write everything of an organisation to one file")
    out.add_argument("name", metavar="NAME", help="the organisation's name or id")
    out.add_argument("--to", metavar="FILE", type=Path, required=True, help="the file to write")
    out.add_argument("--without-keys", action="store_true", help="leave out API keys and passwords (digests)")
    out.set_defaults(run=_export)
    into = add_action(actions, "import", "put the organisation of such a file into this server")
    into.add_argument("file", metavar="FILE", type=Path, help="the file to read")
    into.add_argument("--name", metavar="NAME", help="what it is called here, when its name is taken")
    into.add_argument("--without-secrets", action="store_true", help="do without the secrets in the file")
    into.set_defaults(run=_import)
    removal.configure(
        add_action(actions, "remove", "take an organisation with everything of its own off the server")
    )
    for action, help_text in ((out, "seals secrets in the file"), (into, "opens the file's secrets")):
        action.add_argument(
            "--passphrase-file", metavar="FILE", type=Path, help=f"whose first line {help_text}; - is stdin"
        )


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


def _passphrase(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The passphrase cannot be read from {path}.", param="passphrase_file") from error
    return text.rstrip("\r\n")


def _export(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    target: Path = arguments.to.expanduser().absolute()
    passphrase = _passphrase(arguments.passphrase_file)
    done = export_organisation(
        settings, arguments.name, target, passphrase=passphrase, with_keys=not arguments.without_keys
    )
    if arguments.json:
        print_json({"file": str(target), **asdict(done)})
        return 0
    print(f"exported {done.organisation} to {target}")
    print(f"{sum(done.rows.values())} rows, {done.vectors} vectors, {done.files} files in the archive")
    print(f"sha256 {done.sha256}")
    for key in done.lost:
        print(f"  not there any more: the file {key}")
    _print_again("not in the file, to be entered again where it is imported", done.enter_again)
    if done.enter_again and passphrase is None:
        print("secrets go along under a passphrase: --passphrase-file FILE")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    done = import_organisation(
        settings,
        arguments.file,
        passphrase=_passphrase(arguments.passphrase_file),
        name=arguments.name,
        without_secrets=arguments.without_secrets,
    )
    if arguments.json:
        print_json(asdict(done))
        return 0
    print(f"imported {done.organisation} (id {done.organisation_id}): {sum(done.rows.values())} rows")
    print(f"{done.rows.get('documents', 0)} documents, {done.vectors} vectors, {done.files} files")
    for name in done.embedders:
        print(
            f"  vectors were made by {name}; without it here, words alone are searched until they are made anew"
        )
    for table in done.renumbered:
        print(f"  numbers are others here: {table}")
    _print_again("to be entered again", done.enter_again)
    return 0


def _print_again(title: str, entries: list[str]) -> None:
    if entries:
        print(f"{title}:")
    for entry in entries:
        print(f"  {entry}")
