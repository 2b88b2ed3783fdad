"""``dragoman plugins``."""

import argparse
import asyncio
from pathlib import Path

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for
from dragoman.domain.agents.plugins.model import Plugin, PluginFile, Progress
from dragoman.domain.agents.plugins.reference import reference
from dragoman.domain.agents.plugins.service import PluginRequest
from dragoman.domain.agents.plugins.writer import Origin
from dragoman.domain.messages.events import TextDelta
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("name", "title", "category", "fields")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``run``, ``paying`` and ``reference``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list the plugins that a user is offered")
    add_email(listing)
    listing.set_defaults(run=_list)
    running = add_action(actions, "run", "run a plugin")
    add_email(running)
    running.add_argument("name", metavar="NAME")
    running.add_argument(
        "--value", action="append", default=[], metavar="FIELD=VALUE", help="a field; may be repeated"
    )
    running.add_argument(
        "--file", action="append", default=[], type=Path, metavar="PATH", help="a file; may be repeated"
    )
    running.add_argument("--model", default="", metavar="M", help="model; default the one in force")
    running.set_defaults(run=_run)
    paying = add_action(actions, "paying", "say whether a user pays, for plugins that only paying users get")
    paying.add_argument("--email", required=True, metavar="E", help="the user's e-mail")
    paying.add_argument("answer", choices=("yes", "no"))
    paying.set_defaults(run=_paying)
    add_action(actions, "reference", "print the reference page").set_defaults(run=_reference)


def _shown(plugin: Plugin) -> dict[str, object]:
    spec = plugin.spec
    fields = ", ".join(f"{field.name}{'*' if field.required else ''}" for field in spec.fields)
    return {"name": spec.name, "title": spec.title, "category": spec.category, "fields": fields}


def _list(arguments: argparse.Namespace) -> int:
    found = asyncio.run(_offered(read_settings(arguments).settings, arguments.email))
    rows = [_shown(plugin) for plugin in found]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _offered(settings: Settings, email: str | None) -> list[Plugin]:
    async with open_services(settings) as services:
        return await services.plugins.offered(await caller_for(services, email))


def _values(pairs: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise InvalidInput(f"--value {pair!r}: write FIELD=VALUE.")
        values[name.strip()] = value
    return values


def _run(arguments: argparse.Namespace) -> int:
    for path in arguments.file:
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.")
    files = [PluginFile(path.name, path) for path in arguments.file]
    request = PluginRequest(
        arguments.name, _values(arguments.value), files, model=arguments.model, origin=Origin("cli")
    )
    settings = read_settings(arguments).settings
    return asyncio.run(_carried_out(settings, arguments.email, request, as_json=arguments.json))


async def _carried_out(
    settings: Settings, email: str | None, request: PluginRequest, *, as_json: bool
) -> int:
    async with open_services(settings) as services:
        execution = await services.plugins.execution(await caller_for(services, email), request)
        async for event in execution.events():
            if as_json:
                continue
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)
            elif isinstance(event, Progress):
                print(f"... {event.text}", flush=True)
        outcome = execution.outcome()
        if as_json:
            print_json(
                {
                    "text": outcome.text,
                    "added": outcome.added,
                    "model": outcome.model,
                    "notice": outcome.notice,
                }
            )
        else:
            print(f"\n\n({outcome.notice})" if outcome.notice else "")
    return 0


def _paying(arguments: argparse.Namespace) -> int:
    asyncio.run(
        _set_paying(read_settings(arguments).settings, arguments.email, pays=arguments.answer == "yes")
    )
    print(f"{arguments.email} {'pays' if arguments.answer == 'yes' else 'does not pay'}")
    return 0


async def _set_paying(settings: Settings, email: str, *, pays: bool) -> None:
    async with open_services(settings) as services:
        caller = await caller_for(services, email)
        await services.accounts.change_settings(caller, {"paying": None if pays else False})


def _reference(arguments: argparse.Namespace) -> int:
    print(reference(), end="")
    return 0
