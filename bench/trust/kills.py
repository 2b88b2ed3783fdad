"""Kill rounds: API, children, worker and a process of PostgreSQL die amid mixed work; what was acknowledged must be there once."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from rows import Row
from tests.e2e.crash import CrashRun
from tests.e2e.fleet import Fleet, fleet
from tests.e2e.index_state import child_processes, index_problems, referenced_files, stored_files
from tests.e2e.server import Server

from dragoman.kit.weights import default_folder, missing
from postgres_server import PostgresServer

RESTART_SECONDS = 5.0
DIMENSIONS = 384


def kills(folder: Path, *, rounds: int, seed: int = 8) -> list[Row]:
    """Rounds on one process with SQLite: in turn the server and one of its children are killed."""
    vectors = not missing(default_folder())
    settings = {} if vectors else {"DRAGOMAN_EMBEDDING__PROVIDER": "none"}
    run = CrashRun(Server(folder / "sqlite" / "data", settings), seed=seed, documents=20)
    draw, children = random.Random(seed), 0
    run.server.start()
    try:
        run.prepare()
        for number in range(rounds):
            if number % 3 == 2:
                children += 1
                run.round(lambda: _kill_one(child_processes(run.server.pid), draw))
            else:
                run.round()
        run.settle()
        problems = run.problems()
        run.server.stop()
        data = run.server.data
        problems += index_problems(data, dimensions=DIMENSIONS if vectors else None)
        lost = referenced_files(data) - stored_files(data)
        problems += [f"the file {name} is gone" for name in sorted(lost)]
    finally:
        run.server.kill()
    what = f"{rounds - children} kills of the server, {children} of a child (parser, embedder)"
    return _rows("SQLite", run, what, problems)


def fleet_kills(folder: Path, *, rounds: int, seed: int = 9) -> list[Row]:
    """Rounds on `serve` and `work` over PostgreSQL: in turn the API, the worker and a process of the database are killed."""
    folder.joinpath("fleet").mkdir(parents=True)
    postgres = PostgresServer(waits=True)
    try:
        with fleet(postgres, folder / "fleet", serves=1, works=1) as machines:
            run = CrashRun(machines.serves[0], seed=seed, documents=20)
            run.prepare()
            draw = random.Random(seed)
            strikes: list[Callable[[], None] | None] = [
                None,
                lambda: _kill_worker(run, machines),
                lambda: _kill_backend(postgres, run, draw),
            ]
            for number in range(rounds):
                run.round(strikes[number % 3])
            run.settle()
            return _rows(
                "PostgreSQL",
                run,
                f"{rounds} kills, in turn of the API, the worker and a process of PostgreSQL",
                run.problems(),
            )
    finally:
        postgres.stop()


def _kill_one(pids: set[int], draw: random.Random) -> None:
    """A child that is there now; none is one round without a death."""
    if pids:
        try:
            os.kill(draw.choice(sorted(pids)), signal.SIGKILL)
        except ProcessLookupError:
            return  # it had ended by itself


def _kill_worker(run: CrashRun, machines: Fleet) -> None:
    machines.works[0].kill()
    run.stored.restart_seconds.append(machines.works[0].start())


def _kill_backend(postgres: PostgresServer, run: CrashRun, draw: random.Random) -> None:
    """PostgreSQL throws everybody out and recovers; the server must come back by itself."""
    backends = postgres.backends()
    os.kill(draw.choice(sorted(backends)), signal.SIGKILL)
    began = time.monotonic()
    with run.server.client() as client:
        while time.monotonic() - began < 60:
            try:
                if client.get("/health/ready").status_code == 200 and time.monotonic() - began > 0.5:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    run.stored.restart_seconds.append(time.monotonic() - began)


def _rows(where: str, run: CrashRun, what: str, problems: list[str]) -> list[Row]:
    stored = run.stored
    acknowledged = len(stored.documents) + len(stored.collections) + len(stored.keys) + len(stored.gateways)
    for problem in problems:
        print(f"  {where}: {problem}")
    slowest = max(stored.restart_seconds, default=0.0)
    return [
        Row(
            f"kills, {where}",
            "nothing acknowledged is lost, nothing is there twice",
            f"{what}; {acknowledged} things written, {stored.requests_cut} requests cut, {len(problems)} problems",
            "0 problems",
            not problems,
        ),
        Row(
            f"kills, {where}",
            "back soon",
            f"slowest {slowest:.1f} s of {len(stored.restart_seconds)}",
            f"<= {RESTART_SECONDS:g} s",
            slowest <= RESTART_SECONDS,
        ),
    ]
