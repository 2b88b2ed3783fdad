"""``dragoman organisations remove``."""

import argparse
import asyncio
from dataclasses import asdict
from pathlib import Path

from dragoman.bootstrap.removing import Found, open_removal
from dragoman.cli.options import read_settings
from dragoman.cli.output import print_json
from dragoman.domain.moving.removal.service import Removed
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds what is removed, and what becomes of its audit."""
    parser.add_argument("name", metavar="NAME", help="the organisation's name or id")
    parser.add_argument(
        "--yes", action="store_true", help="do it; without it, only show what would be removed"
    )
    audit = parser.add_mutually_exclusive_group()
    audit.add_argument(
        "--audit", metavar="FILE", type=Path, help="write its audit there before, one event a line"
    )
    audit.add_argument("--discard-audit", action="store_true", help="do without its audit")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.yes and arguments.audit is None and not arguments.discard_audit:
        raise InvalidInput(
            "What was recorded about the organisation goes with it: keep it with --audit FILE, or say --discard-audit.",
            param="audit",
        )
    audit: Path | None = None if arguments.audit is None else arguments.audit.expanduser().absolute()
    asyncio.run(_removed(read_settings(arguments).settings, arguments, audit))
    return 0


async def _removed(settings: Settings, arguments: argparse.Namespace, audit: Path | None) -> None:
    async with open_removal(settings) as opened:
        found = await opened.look(arguments.name)
        if not arguments.json:
            _print_found(found)
        if arguments.yes:
            _print_removed(await opened.remove(found, audit), audit, as_json=arguments.json)
        elif arguments.json:
            print_json({**_named(found), "rows": found.rows, "files": found.files, "done": False})
        else:
            print("nothing was changed; add --yes to do it")


def _named(found: Found) -> dict[str, object]:
    return {"organisation_id": found.organisation.id, "organisation": found.organisation.name}


def _print_found(found: Found) -> None:
    print(f"organisation {found.organisation.name} (id {found.organisation.id})", flush=True)
    for name, count in sorted(found.rows.items()):
        print(f"  {name} {count}")
    print(f"  stored files {found.files}", flush=True)


def _print_removed(removed: Removed, audit: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(removed), "audit": None if audit is None else str(audit), "done": True})
        return
    print(
        f"removed {removed.organisation} with {removed.files} files and {removed.folders} folders of programs"
    )
    for one in removed.webhooks:
        print(f"  {one}")
    kept = "discarded" if audit is None else f"kept in {audit}"
    print(f"its audit is {kept}: {removed.events} events, the last {removed.head}")
