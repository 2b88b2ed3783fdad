"""``dragoman work``: background work only, beside ``dragoman serve --no-work``."""

import argparse

from dragoman.bootstrap.work import work
from dragoman.cli.options import add_common, read_settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``--host``, ``--port`` and ``--offline``."""
    add_common(parser)
    parser.add_argument("--host", metavar="H", help="address where health and metrics are told")
    parser.add_argument("--port", type=int, metavar="P", help="port for that; 0 takes a free one")
    parser.add_argument(
        "--offline", action="store_true", default=None, help="call nothing but loopback and egress.allow"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    flags: dict[str, object] = {
        "server.host": arguments.host,
        "machines.work_port": arguments.port,
        "offline": arguments.offline,
    }
    return work(read_settings(arguments, flags, quiet=False).settings)
