"""``dragoman doctor``: what works here, what does not, and what to do about it."""

import argparse
from dataclasses import asdict

from dragoman.bootstrap.doctor import Check, findings
from dragoman.cli.offline import show_offline
from dragoman.cli.options import add_common, add_json, read_settings
from dragoman.cli.output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add_common(parser)
    add_json(parser)
    parser.add_argument(
        "--offline", action="store_true", help="show what keeps the server offline, and what was attempted"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    loaded = read_settings(arguments)
    if arguments.offline:
        return show_offline(loaded.settings, as_json=arguments.json)
    checks = findings(loaded.settings)
    if arguments.json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            print(_line(check))
    return 1 if any(check.state == "broken" for check in checks) else 0


def _line(check: Check) -> str:
    remedy = "" if check.remedy is None else f": {check.remedy}"
    return f"{check.state:8} {check.name:12} {check.detail}{remedy}"
