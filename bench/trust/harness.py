"""Shows whether what Dragoman promises to a careful operator holds here.

usage: harness.py [--rounds N] [--minutes M] [--parts kills,budget,trouble,machines,soak] [--json FILE]

Prints a table; exits with 1 when a bound is missed. Everything runs on this machine, over loopback, in a new folder.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from budgets import budgets  # noqa: E402
from kills import fleet_kills, kills  # noqa: E402
from machines import throughput  # noqa: E402
from rows import Row, table  # noqa: E402
from soak import soak  # noqa: E402
from trouble import trouble  # noqa: E402


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench trust", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=100, help="kill rounds on SQLite; a third as many on PostgreSQL"
    )
    parser.add_argument("--minutes", type=float, default=60, help="how long the soak lasts")
    parser.add_argument("--seconds", type=float, default=5, help="how long the gateway is loaded in a round")
    parser.add_argument(
        "--documents", type=int, default=12, help="how many files each pair is given to read in a round"
    )
    parser.add_argument(
        "--share",
        type=float,
        help="how much of a core each serve and work gets while pairs are compared; 0: as much as they can get "
        "(default: that on six cores or more, below a tenth of what there is for each of the four)",
    )
    parser.add_argument(
        "--collections",
        type=int,
        help="the most collections that these files go to (default: each client has one of its own)",
    )
    parser.add_argument("--clients", type=int, default=200, help="how many clients ask against a budget")
    parser.add_argument(
        "--parts", default="kills,budget,trouble,machines,soak", help="which parts, with commas"
    )
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    return parser.parse_args()


def _measured(name: str, measure: Callable[[Path], list[Row]], folder: Path) -> list[Row]:
    """The rows of one part; what went wrong in it is a row, too, so that the other parts are told."""
    try:
        found = measure(folder)
    except Exception as error:  # noqa: BLE001  whatever it is, it is told and counts as missed
        traceback.print_exc()
        said = str(error).partition("\n")[0][:200]
        found = [Row(name, "comes to its end", f"{type(error).__name__}: {said}", "no error", held=False)]
    for row in found:
        print(f"  {row.part}, {row.promise}: {row.measured}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """1 when a bound is missed."""
    given = arguments()
    parts: dict[str, list[Callable[[Path], list[Row]]]] = {
        "kills": [
            lambda folder: kills(folder, rounds=given.rounds),
            lambda folder: fleet_kills(folder, rounds=max(3, given.rounds // 3)),
        ],
        "budget": [lambda folder: budgets(folder, clients=given.clients)],
        "trouble": [trouble],
        "machines": [
            lambda folder: throughput(
                folder,
                seconds=given.seconds,
                documents=given.documents,
                share=given.share,
                collections=given.collections,
            )
        ],
        "soak": [lambda folder: soak(folder, minutes=given.minutes)],
    }
    wanted = given.parts.split(",")
    if unknown := set(wanted) - set(parts):
        print(f"there is no part {min(unknown)}; there are {', '.join(parts)}", file=sys.stderr)
        return 2
    # The object store's requests are no findings.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    rows: list[Row] = []
    for name in wanted:
        for number, measure in enumerate(parts[name]):
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="trust-") as folder:
                Path(folder).chmod(0o755)
                rows += _measured(name, measure, Path(folder) / str(number))
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 1 if any(row.held is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
