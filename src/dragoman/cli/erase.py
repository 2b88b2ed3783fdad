"""``dragoman users erase``."""

import argparse
import asyncio
from dataclasses import asdict

from dragoman.bootstrap.erasing import open_erasure
from dragoman.cli.options import read_settings
from dragoman.cli.output import print_json
from dragoman.domain.erasure.model import Erased
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds who is erased."""
    parser.add_argument("person", metavar="WHO", help="the user's e-mail; with --end-user, the person's id")
    parser.add_argument(
        "--end-user", action="store_true", help="somebody whom agents talk to, who is no user of the server"
    )
    parser.add_argument("--organisation", metavar="O", help="whose agents, with --end-user")
    parser.add_argument(
        "--collections-to", metavar="E", help="give the user's collections to this colleague and keep them"
    )
    parser.add_argument(
        "--yes", action="store_true", help="do it; without it, only show what would be removed"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.end_user != (arguments.organisation is not None):
        raise InvalidInput("--end-user and --organisation go together.", param="organisation")
    if arguments.end_user and arguments.collections_to:
        raise InvalidInput("--collections-to goes with a user.", param="collections_to")
    erased = asyncio.run(_erased(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({**asdict(erased), "done": arguments.yes})
        return 0
    print(f"{'erased' if arguments.yes else 'would erase'} {erased.person}")
    for title, counts in (("removed", erased.removed), ("kept without the name", erased.cleared)):
        for name, count in counts.items():
            print(f"  {title}: {name} {count}")
    print(f"  redacted: {erased.redacted} events of the audit, whose chain stays whole")
    if arguments.yes:
        print(f"  files and folders removed: {erased.files}")
    else:
        print("nothing was changed; add --yes to do it")
    return 0


async def _erased(settings: Settings, arguments: argparse.Namespace) -> Erased:
    async with open_erasure(settings) as erasure:
        if arguments.end_user:
            does = erasure.person if arguments.yes else erasure.look_at_person
            return await does(arguments.organisation, arguments.person)
        if arguments.yes:
            return await erasure.user(arguments.person, heir=arguments.collections_to)
        return await erasure.look(arguments.person)
