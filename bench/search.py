"""Measures the passage index: latency, recall against exact search, ingest rate and size.

Run ``python bench/search.py --engine sqlite`` or ``--engine postgres``; the latter starts a server of its own
unless it gets a ``--url``. Two shapes are built: collections of 1,000 passages, and one collection of all.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import event

from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.connect import postgres, postgres_url
from dragoman.db.sqlite_driver import driver, open_connection
from dragoman.domain.knowledge.ports import IndexEntry, IndexQuery, PassageIndex

DIMENSIONS = 384
WORDS_PER_PASSAGE = 40
VOCABULARY = 30_000
PASSAGES_PER_COLLECTION = 1_000
PASSAGES_PER_DOCUMENT = 10
BATCH = 1_000
SMALL_P99_MS = 10.0
LARGE_P99_MS = 40.0
MIN_RECALL = 0.95

Fuse = Literal["hybrid", "vector", "keyword"]
FUSES: tuple[Fuse, ...] = ("hybrid", "vector", "keyword")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages and questions: ``vectors`` ``float32 [n, d]``, words by number in ``words`` ``[n, 40]``."""

    vectors: NDArray[np.float32]
    words: NDArray[np.int64]
    question_vectors: NDArray[np.float32]
    questions: list[str]
    question_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One shape at one size on one engine."""

    engine: str
    shape: str
    passages: int
    ingest_per_second: float
    disk_mb: float
    milliseconds: dict[str, dict[str, float]]
    recall_at_10: float
    load: float
    bounds: dict[str, bool]


def corpus(passages: int, questions: int) -> Corpus:
    """Zipf words and unit vectors round 2,000 centres; questions are noisy passages."""
    rng = np.random.default_rng(7)
    chance = 1 / np.arange(1, VOCABULARY + 1)
    words = rng.choice(VOCABULARY, size=(passages, WORDS_PER_PASSAGE), p=chance / chance.sum())
    centres = rng.standard_normal((2_000, DIMENSIONS), dtype=np.float32)
    vectors = centres[rng.integers(0, len(centres), passages)]
    vectors += 0.7 * rng.standard_normal((passages, DIMENSIONS), dtype=np.float32)
    rows = rng.integers(0, passages, questions)
    asked = vectors[rows]
    asked += 0.5 * rng.standard_normal((questions, DIMENSIONS), dtype=np.float32)
    picks = [rng.choice(words[row], size=6, replace=False) for row in rows]
    return Corpus(
        _unit(vectors), words, _unit(asked), [" ".join(word(w) for w in pick) for pick in picks], rows
    )


def word(number: int) -> str:
    """A pronounceable word for a number."""
    letters = ["bdfgklmnprstvz"[(number // 5**at) % 14] + "aeiou"[(number // 14**at) % 5] for at in range(4)]
    return "".join(letters) + str(number % 10)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32, copy=False)


def ingest(engine: sa.Engine, index: PassageIndex, data: Corpus, per_collection: int) -> float:
    """Passages a second, words and vectors, in transactions of 1,000."""
    names = np.array([word(number) for number in range(VOCABULARY)], dtype=object)
    started = time.perf_counter()
    for start in range(0, len(data.vectors), BATCH):
        rows = range(start, min(start + BATCH, len(data.vectors)))
        entries = [
            IndexEntry(
                row + 1,
                row // per_collection + 1,
                row // PASSAGES_PER_DOCUMENT + 1,
                " ".join(names[data.words[row]]),
            )
            for row in rows
        ]
        with engine.begin() as connection:
            index.add_text(connection, entries)
            index.add_vectors(connection, entries, data.vectors[rows.start : rows.stop])
    return len(data.vectors) / (time.perf_counter() - started)


def measure(
    engine: sa.Engine, index: PassageIndex, data: Corpus, per_collection: int
) -> dict[str, dict[str, float]]:
    """p50 and p99 in ms for each kind of search, after a warm-up."""
    result: dict[str, dict[str, float]] = {}
    with engine.connect() as connection:
        for fuse in FUSES:
            spent: list[float] = []
            for number in [0, 1, 2, *range(len(data.questions))]:
                query = _question(data, number, per_collection, fuse)
                started = time.perf_counter()
                index.search(connection, query)
                spent.append((time.perf_counter() - started) * 1e3)
            p50, p99 = np.percentile(spent[3:], [50, 99])
            result[fuse] = {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
    return result


def recall(engine: sa.Engine, index: PassageIndex, data: Corpus, per_collection: int) -> float:
    """Share of the exact ten nearest passages of the collection that the vector leg finds."""
    found = 0
    with engine.connect() as connection:
        for number, row in enumerate(data.question_rows):
            first = row // per_collection * per_collection
            inside = data.vectors[first : first + per_collection]
            nearest = np.argsort(-(inside @ data.question_vectors[number]))[:10] + first + 1
            hits = index.search(connection, _question(data, number, per_collection, "vector"))
            found += len({hit.passage_key for hit in hits} & set(nearest.tolist()))
    return found / (10 * len(data.question_rows))


def _question(data: Corpus, number: int, per_collection: int, fuse: Fuse) -> IndexQuery:
    return IndexQuery(
        collection_keys=(int(data.question_rows[number]) // per_collection + 1,),
        terms=(data.questions[number],),
        vectors=None if fuse == "keyword" else data.question_vectors[number : number + 1],
        limit=10,
        minimum_similarity=-1.0,
        fuse=fuse,
    )


@contextmanager
def sqlite_database() -> Iterator[tuple[sa.Engine, Callable[[], float]]]:
    """An empty database in a folder of its own, and its size in MB."""
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(
            "sqlite://",
            module=driver,
            creator=lambda: open_connection(Path(folder) / "search.db"),
            poolclass=sa.StaticPool,
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
        try:
            yield engine, lambda: sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        finally:
            engine.dispose()


@contextmanager
def postgres_database(url: str | None) -> Iterator[tuple[sa.Engine, Callable[[], float]]]:
    """An empty schema at ``url``, or in a server of its own, and the size of its tables in MB."""
    with ExitStack() as stack:
        address = postgres_url(url or _started(stack))
        admin = postgres().make_engine(address)
        stack.callback(admin.dispose)
        with admin.begin() as connection:
            connection.exec_driver_sql("create extension if not exists vector")
            connection.exec_driver_sql("drop schema if exists bench_search cascade")
            connection.exec_driver_sql("create schema bench_search")
        engine = postgres().make_engine(address + "?options=-csearch_path%3Dbench_search,public")
        stack.callback(engine.dispose)
        yield engine, lambda: _vacuumed_mb(engine)
        engine.dispose()
        with admin.begin() as connection:
            connection.exec_driver_sql("drop schema bench_search cascade")


def _started(stack: ExitStack) -> str:
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    server = importlib.import_module("postgres_server").PostgresServer()
    stack.callback(server.stop)
    return str(server.url())


def _vacuumed_mb(engine: sa.Engine) -> float:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
        size = connection.exec_driver_sql(
            "select sum(pg_total_relation_size(oid)) from pg_class "
            "where relnamespace = 'bench_search'::regnamespace and relkind = 'r'"
        ).scalar_one()
    return float(size) / 1e6


def run(arguments: argparse.Namespace, passages: int) -> Iterator[Measured]:
    """Both shapes at one size."""
    data = corpus(passages, arguments.questions)
    for shape, per_collection in (("many", PASSAGES_PER_COLLECTION), ("one", passages)):
        database = sqlite_database() if arguments.engine == "sqlite" else postgres_database(arguments.url)
        index: PassageIndex = SqliteIndex() if arguments.engine == "sqlite" else PostgresIndex()
        with database as (engine, size_mb):
            with engine.begin() as connection:
                index.prepare(connection, DIMENSIONS)
            rate = ingest(engine, index, data, per_collection)
            size = size_mb()
            spent = measure(engine, index, data, per_collection)
            share = recall(engine, index, data, per_collection)
        bound = SMALL_P99_MS if shape == "many" else LARGE_P99_MS
        bounds = {
            f"hybrid p99 <= {bound:g} ms": spent["hybrid"]["p99"] <= bound,
            f"recall@10 >= {MIN_RECALL}": share >= MIN_RECALL,
        }
        yield Measured(
            arguments.engine,
            shape,
            passages,
            round(rate),
            round(size, 1),
            spent,
            round(share, 4),
            os.getloadavg()[0],
            bounds,
        )


def main() -> int:
    """Prints what was measured; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--url", help="database for --engine postgres; without it a server is started")
    parser.add_argument("--passages", type=int, action="append", help="may be given several times")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    missed = False
    for passages in arguments.passages or [10_000, 100_000]:
        for measured in run(arguments, passages):
            missed = missed or not all(measured.bounds.values())
            print(json.dumps(asdict(measured)) if arguments.json else _plain(measured), flush=True)
    return int(missed)


def _plain(measured: Measured) -> str:
    spent = "  ".join(f"{name} {ms['p50']:.2f}/{ms['p99']:.2f}" for name, ms in measured.milliseconds.items())
    lines = [
        f"{measured.engine}, {measured.passages:,} passages, "
        + ("one collection" if measured.shape == "one" else "collections of 1,000"),
        f"  ingest {measured.ingest_per_second:,.0f}/s  disk {measured.disk_mb:.0f} MB  "
        f"recall@10 {measured.recall_at_10:.3f}",
        f"  p50/p99 ms: {spent}  (load {measured.load:.1f})",
        *(f"  {'pass' if held else 'FAIL'}  {bound}" for bound, held in measured.bounds.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
