"""``dragoman backup``."""

import argparse
from dataclasses import asdict
from pathlib import Path

from dragoman.bootstrap.backup import backup
from dragoman.cli.options import add_common, add_json, read_settings
from dragoman.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the file and what goes into it."""
    add_common(parser)
    add_json(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup to write")
    parser.add_argument(
        "--with-keys", action="store_true", help="also the server's key and its settings file; keep it safe"
    )
    parser.add_argument("--files-only", action="store_true", help="without the database, which pg_dump saves")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    target: Path = arguments.file.expanduser().absolute()
    done = backup(settings, target, with_keys=arguments.with_keys, files_only=arguments.files_only)
    if arguments.json:
        print_json({"file": str(target), **asdict(done)})
        return 0
    print(f"backed up {done.files} files, {done.bytes} bytes, to {target}")
    if not done.keys:
        print("without the server's key: keep a copy of secret.key elsewhere, or secrets will not open again")
    return 0
