"""``dragoman version``."""

import argparse
import platform

from dragoman import __version__
from dragoman.cli.options import add_common, add_json
from dragoman.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add_common(parser)
    add_json(parser)
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        print(f"dragoman {__version__}")
    return 0
