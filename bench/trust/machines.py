"""Two pairs of `serve` and `work` over one PostgreSQL against one pair: answers through the gateway, and files read."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rows import Row
from shares import NoShares, Shares, shares
from tests.e2e.fleet import Fleet, fleet
from tests.e2e.server import API_KEY, Server
from upstream import Upstream, cores, cpu_seconds, idle_seconds

from postgres_server import PostgresServer
from samples import docx

GAIN = 1.7
# Two servers, two workers, the database, the load and the provider.
CORES_NEEDED = 6
# Of the machine, for the four processes together where there are fewer cores.
BOUNDED = 0.3
ROUNDS = 3
_CONNECTIONS = 32
# So many files are read at the same time that a worker is bounded by its processor and not by what it waits for.
_READ_AT_ONCE = 4
_UPLOADERS = 2 * _READ_AT_ONCE
_WARMING = 8
# Of the machine, that must have had nothing to do.
_FULL = 0.03
_READ_SECONDS = 600.0
_UNITS = {"gateway": "answers/s", "reading documents": "documents/s"}


@dataclass
class _Pairs:
    """So many pairs of processes and what was measured of them, a value for each round."""

    machines: Fleet
    name: str
    rates: dict[str, list[float]] = field(default_factory=dict)
    used: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    idle: dict[str, list[float]] = field(default_factory=dict)
    files: int = 0

    def datasets(self, most: int | None) -> list[str]:
        """For each client the dataset it sends files to."""
        clients = _UPLOADERS * len(self.machines.serves)
        return [f"library-{number % (most or clients)}" for number in range(clients)]

    def measure(self, what: str, work: Callable[[], float]) -> None:
        """Keeps a rate, what part of a core a serve and a work used meanwhile, and what part of the machine idled."""
        kinds = {"serve": self.machines.serves, "work": self.machines.works}
        before = {kind: _spent(servers) for kind, servers in kinds.items()}
        began, idled = time.monotonic(), idle_seconds()
        rate = work()
        seconds = time.monotonic() - began
        self.rates.setdefault(what, []).append(rate)
        self.idle.setdefault(what, []).append((idle_seconds() - idled) / seconds / cores())
        for kind, servers in kinds.items():
            used = (_spent(servers) - before[kind]) / seconds / len(servers)
            self.used.setdefault((what, kind), []).append(used)

    def busy(self, what: str) -> str:
        """What a process of each kind used, for people."""
        return ", ".join(f"{kind} {median(self.used[what, kind]):.1%}" for kind in ("serve", "work"))


def _spent(servers: list[Server]) -> float:
    return sum(cpu_seconds(server.pid) for server in servers)


def throughput(
    folder: Path,
    *,
    seconds: float,
    documents: int,
    share: float | None = None,
    collections: int | None = None,
) -> list[Row]:
    """The gateway's answers a second and documents read a second, of one pair and of two.

    Args:
        documents: for each pair and round.
        collections: the most that the documents go to; None: each client has one of its own.
        share: of a core for each process; None: all they can get where there are cores enough, and else a small one.
    """
    if share is None:
        share = 0.0 if cores() >= CORES_NEEDED else round(BOUNDED * cores() / 4, 2)
    for name in ("one", "two"):
        folder.joinpath(name).mkdir(parents=True)
    with ExitStack() as stack:
        postgres = PostgresServer(connections=100)
        stack.callback(postgres.stop)
        upstream = stack.enter_context(Upstream(folder / "provider"))
        settings = {**upstream.settings, "DRAGOMAN_KNOWLEDGE__INGEST_CONCURRENCY": str(_READ_AT_ONCE)}
        pairs = [
            _Pairs(
                stack.enter_context(
                    fleet(postgres, folder / name, serves=number, works=number, settings=settings)
                ),
                name,
            )
            for number, name in ((1, "one"), (2, "two"))
        ]
        for one in pairs:
            _warm(one, upstream, collections)
        note, judged = _bounded(stack, pairs, share)
        for _ in range(ROUNDS):
            for one in pairs:
                datasets = one.datasets(collections)
                _round(
                    one, upstream, datasets, seconds=seconds, documents=documents * len(one.machines.works)
                )
    return [_row(pairs, what, unit, note, judged=judged) for what, unit in _UNITS.items()]


def _bounded(stack: ExitStack, pairs: list[_Pairs], share: float) -> tuple[str, bool]:
    """Gives the shares; says so, and whether the measurement can be judged."""
    enough = cores() >= CORES_NEEDED
    if share:
        try:
            given = stack.enter_context(shares(share))
        except NoShares as reason:
            return (
                f"{cores()} cores for {CORES_NEEDED} busy processes and no shares of them: {reason}",
                enough,
            )
        _give(given, pairs)
        if not enough and 4 * share > cores() / 2:
            return (
                f"four processes with {share:.0%} of a core each leave too little of {cores()} cores",
                False,
            )
        return (
            f"each serve and each work, with its children, had {share:.0%} of a core; what database, store, provider "
            "and load used of the rest of this machine is not judged",
            True,
        )
    if enough:
        return f"each process had what it could get of {cores()} cores", True
    return f"{cores()} cores for {CORES_NEEDED} busy processes, so this says nothing of more machines", False


def _give(given: Shares, pairs: list[_Pairs]) -> None:
    for one in pairs:
        for kind, servers in (("serve", one.machines.serves), ("work", one.machines.works)):
            for number, server in enumerate(servers):
                given.give(f"{one.name}-{kind}{number}", server.pid)


def _warm(one: _Pairs, upstream: Upstream, collections: int | None) -> None:
    """Connections are open, and every worker has started its reader."""
    datasets = one.datasets(collections)
    with one.machines.serves[0].client() as client:
        for name in set(datasets):
            client.post("/user/add-dataset", json={"dataset": name}).raise_for_status()
    upstream.load(
        [server.port for server in one.machines.serves], API_KEY, seconds=1, connections=_CONNECTIONS
    )
    _read(one, datasets, _WARMING * len(one.machines.works))


def _round(one: _Pairs, upstream: Upstream, datasets: list[str], *, seconds: float, documents: int) -> None:
    ports = [server.port for server in one.machines.serves]

    def ask() -> float:
        found = upstream.load(ports, API_KEY, seconds=seconds, connections=_CONNECTIONS)
        if found["errors"]:
            raise RuntimeError(f"{found['errors']:.0f} answers failed under load")
        return found["rate"]

    one.measure("gateway", ask)
    one.measure("reading documents", lambda: _read(one, datasets, documents))


def _read(one: _Pairs, datasets: list[str], documents: int) -> float:
    """Files a second from the first that is sent until all are read; clients send to every server."""
    text = [("", f"Sentence {number} of a document that is read.") for number in range(200)]
    contents = [
        (f"{number}.docx", docx([("Heading1", f"Report {number}"), *text]))
        for number in range(one.files, one.files + documents)
    ]
    one.files += documents
    failed: list[str] = []

    def send(server: Server, dataset: str) -> None:
        with server.client() as client:
            while True:
                try:
                    file = contents.pop()
                except IndexError:
                    return
                answer = client.post(
                    "/server/train-with-file", files={"file": file}, data={"dataset": dataset}
                )
                if answer.status_code != 200:
                    failed.append(f"{answer.status_code} {answer.text[:200]}")

    serves = one.machines.serves
    clients = [
        threading.Thread(target=send, args=(serves[number % len(serves)], dataset))
        for number, dataset in enumerate(datasets)
    ]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    _wait_until_read(serves[0])
    if failed:
        raise RuntimeError(f"{len(failed)} files were not read: {failed[0]}")
    return documents / (time.monotonic() - began)


def _wait_until_read(server: Server) -> None:
    deadline = time.monotonic() + _READ_SECONDS
    with server.client() as client:
        for item in client.get("/api/v1/collections").json():
            while client.get(f"/api/v1/collections/{item['id']}").json()["state"]["queued"]:
                if time.monotonic() > deadline:
                    raise RuntimeError("the documents are not read within ten minutes")
                time.sleep(0.05)


def _row(pairs: list[_Pairs], what: str, unit: str, note: str, *, judged: bool) -> Row:
    one, two = (median(pair.rates[what]) for pair in pairs)
    gain = two / one
    used = "; ".join(f"{pair.name}: {pair.busy(what)}" for pair in pairs)
    idle = [median(pair.idle[what]) for pair in pairs]
    rounds = "; ".join(
        f"{pair.name}: {', '.join(f'{rate:.2f}' if rate < 10 else f'{rate:.0f}' for rate in pair.rates[what])}"
        for pair in pairs
    )
    measured = (
        f"{one:.3g} {unit} of one pair, {two:.3g} of two (medians of {ROUNDS} rounds, {rounds}): {gain:.2f} times; "
        f"each process used of a core ({used}), the machine idled {idle[0]:.0%} and {idle[1]:.0%}; {note}"
    )
    if judged and min(idle) < _FULL:
        # Somebody else may have taken what one of the two was to have.
        measured, judged = f"{measured}; the machine was full, so this says nothing", False
    return Row("machines", what, measured, f">= {GAIN} times", gain >= GAIN if judged else None)
