"""``dragoman serve``: the server, in the foreground."""

import argparse

from dragoman.bootstrap.serve import serve
from dragoman.cli.options import add_common, read_settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``--host``, ``--port``, ``--offline`` and ``--no-work``."""
    add_common(parser)
    parser.add_argument("--host", metavar="H", help="address to listen on")
    parser.add_argument("--port", type=int, metavar="P", help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--offline", action="store_true", default=None, help="call nothing but loopback and egress.allow"
    )
    parser.add_argument(
        "--no-work",
        action="store_false",
        dest="work",
        default=None,
        help="leave background work to dragoman work",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    flags: dict[str, object] = {
        "server.host": arguments.host,
        "server.port": arguments.port,
        "offline": arguments.offline,
        "machines.work": arguments.work,
    }
    return serve(read_settings(arguments, flags, quiet=False))
