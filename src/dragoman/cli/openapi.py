"""``dragoman openapi``: a dialect's OpenAPI document."""

import argparse

from dragoman.bootstrap.documents import OPENAPI_DIALECTS, openapi_document
from dragoman.cli.options import add_common
from dragoman.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the dialect's name."""
    add_common(parser)
    parser.add_argument(
        "dialect", choices=sorted(OPENAPI_DIALECTS), metavar="DIALECT", help=", ".join(OPENAPI_DIALECTS)
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print_json(openapi_document(arguments.dialect))
    return 0
