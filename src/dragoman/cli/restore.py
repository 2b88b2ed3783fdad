"""``dragoman restore``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from dragoman.bootstrap.backup import restore
from dragoman.bootstrap.machines import open_blobs
from dragoman.cli.options import add_common, add_json, read_settings
from dragoman.cli.output import print_json
from dragoman.kit.errors import InvalidInput


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the file."""
    add_common(parser)
    add_json(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup to read")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.data is None:
        raise InvalidInput(
            "Say where to with --data DIR; the folder must be empty or not there.", param="data"
        )
    settings = read_settings(arguments).settings
    blobs = None if settings.blobs.url is None else open_blobs(settings)
    done = restore(arguments.file, arguments.data, blobs)
    if arguments.json:
        print_json({"data": str(arguments.data), **asdict(done)})
        return 0
    print(f"restored {done.files} files, {done.bytes} bytes, to {arguments.data}")
    if not done.keys:
        print("next: put the server's secret.key there before you start it, or its secrets will not open")
    if not done.database:
        print("next: restore the database with pg_restore")
    return 0
