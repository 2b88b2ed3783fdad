"""Measures ingestion over HTTP: rate, time to be findable, what a second run costs, and what kills lose.

Run ``python bench/ingest.py``; it starts a server of its own over a new data folder. ``--kill-rounds N`` ends the
server with SIGKILL N times amid uploads and checks that everything acknowledged is there once. Exits with 1 when a
bound is missed.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

import httpx  # noqa: E402
from tests.e2e.crash import crash_run  # noqa: E402
from tests.e2e.index_state import index_problems, referenced_files, stored_files  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

from dragoman.db.sqlite_driver import open_connection  # noqa: E402
from samples import docx  # noqa: E402

DIMENSIONS = 384
WORDS_SECONDS = 2.0
SETTLE_SECONDS = 90.0
PARAGRAPH_WORDS = 60
PROBES = 8
_NOUNS = (
    "anchor", "barrel", "candle", "desk", "engine", "fence", "garden", "hammer", "island", "jacket", "kettle",
    "ladder", "magnet", "needle", "orchard", "pencil", "quilt", "river", "saddle", "table", "umbrella", "valve",
    "window", "yard", "zipper", "bridge", "copper", "drawer", "envelope", "furnace", "glove", "harbour", "inkwell",
)  # fmt: skip
_VERBS = (
    "holds", "moves", "covers", "lifts", "cleans", "paints", "measures", "repairs", "carries", "follows", "weighs",
)  # fmt: skip
_DETAILS = ("before noon", "every week", "with great care", "in the north hall", "by hand", "after the audit")


@dataclass
class Report:
    """What was measured; ``bounds`` says of each bound whether it held."""

    documents: int = 0
    passages: int = 0
    accept_seconds: float = 0
    embed_seconds: float = 0
    documents_per_second: float = 0
    passages_embedded_per_second: float = 0
    text_findable_by_word_seconds: float = 0
    file_findable_by_word_seconds: float = 0
    findable_by_meaning_seconds: float = 0
    again_seconds: float = 0
    again_documents_per_second: float = 0
    again_jobs: int = 0
    kill_rounds: int = 0
    kill_acknowledged: int = 0
    kill_problems: list[str] = field(default_factory=list)
    load: float = 0
    bounds: dict[str, bool] = field(default_factory=dict)


def paragraph(random_: random.Random) -> str:
    """Sentences of nouns and verbs, of about so many words."""
    words: list[str] = []
    while len(words) < PARAGRAPH_WORDS:
        one, other = random_.sample(_NOUNS, 2)
        words += f"The {one} {random_.choice(_VERBS)} the {other} {random_.choice(_DETAILS)}.".split()
    return " ".join(words)


def document(number: int) -> tuple[str, bytes]:
    """Name and content of a document with three sections, Markdown or Word in turn."""
    random_ = random.Random(number)
    sections = [(f"Part {part}", f"{paragraph(random_)} {paragraph(random_)}") for part in range(1, 4)]
    if number % 2:
        text = "\n\n".join(f"## {title}\n\n{body}" for title, body in sections)
        return f"report-{number}.md", f"# Report {number}\n\n{text}".encode()
    blocks = [block for title, body in sections for block in (("Heading2", title), ("", body))]
    return f"report-{number}.docx", docx([("Heading1", f"Report {number}"), *blocks])


class Bench:
    """One run against one server."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self._server = server
        self._client = client
        self.report = Report()
        self._content: list[tuple[str, bytes]] = []
        assert client.post("/user/add-dataset", json={"dataset": "bench"}).status_code == 200
        self._collection = client.get("/api/v1/collections").json()[0]["id"]

    def run(self, documents: int) -> Report:
        """Everything but the kills."""
        report = self.report
        # The first document starts the child processes that read and embed.
        self._content = [document(number) for number in range(documents)]
        self._put("warm-up.md", b"# Warm-up\n\nThe first document of all.")
        self._settle()
        self._rate(documents)
        self._latency()
        self._again(documents)
        report.load = os.getloadavg()[0]
        report.bounds = {
            f"texts findable by their words within {WORDS_SECONDS:g} s": report.text_findable_by_word_seconds
            <= WORDS_SECONDS,
            f"files findable by their words within {WORDS_SECONDS:g} s": report.file_findable_by_word_seconds
            <= WORDS_SECONDS,
            "unchanged files are neither read nor embedded again": report.again_jobs == 0,
        }
        return report

    def _put(self, name: str, content: bytes) -> None:
        answer = self._client.post(
            "/server/train-with-file", files={"file": (name, content)}, data={"dataset": "bench"}
        )
        assert answer.status_code == 200, answer.text

    def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._client.get(f"/api/v1/collections/{self._collection}").json()["state"]["queued"]:
            assert time.monotonic() < deadline, "documents still wait"
            time.sleep(0.05)

    def _rate(self, documents: int) -> None:
        report = self.report
        before = self._rows("passages")
        started = time.perf_counter()
        for name, data in self._content:
            self._put(name, data)
        report.accept_seconds = time.perf_counter() - started
        self._settle()
        report.embed_seconds = time.perf_counter() - started
        report.documents = documents
        report.passages = self._rows("passages") - before
        report.documents_per_second = documents / report.embed_seconds
        report.passages_embedded_per_second = report.passages / report.embed_seconds

    def _latency(self) -> None:
        """From the acknowledgement to the first search that finds it, while nothing else is indexed; medians."""
        times: dict[str, list[float]] = {"text": [], "file": [], "meaning": []}
        for number in range(PROBES):
            word = f"quokka{number}"
            body = {
                "name": f"probe-{number}",
                "contents": f"The {word} sleeps on the roof of house {number}.",
            }
            path = f"/api/v1/collections/{self._collection}/documents"
            assert self._client.put(path, json=body).status_code == 200
            times["text"].append(self._found(word, word))
            word = f"numbat{number}"
            self._put(f"probe-{number}.md", f"# Animals\n\nThe {word} lives in den {number}.".encode())
            times["file"].append(self._found(word, word))
            meant = f"cetacean-{number}"
            body = {"name": meant, "contents": f"Whale number {number} swims through the deep ocean."}
            assert self._client.put(path, json=body).status_code == 200
            times["meaning"].append(self._found("large marine mammal in the sea", f"Whale number {number} "))
        self.report.text_findable_by_word_seconds = max(times["text"])
        self.report.file_findable_by_word_seconds = max(times["file"])
        self.report.findable_by_meaning_seconds = statistics.median(times["meaning"])
        self._settle()

    def _found(self, term: str, text: str) -> float:
        """Seconds until a search for the term finds the text."""
        started = time.perf_counter()
        body = {"term": term, "collections": [self._collection], "minScore": 0.01, "top": 40}
        while time.perf_counter() - started < SETTLE_SECONDS:
            hits = self._client.post("/api/v1/query", json=body).json()
            if any(text in hit["documentContent"] for hit in hits):
                return time.perf_counter() - started
            time.sleep(0.01)
        raise AssertionError(f"{text!r} was not found by {term!r}")

    def _again(self, documents: int) -> None:
        """The same files once more: nothing to read, nothing to embed."""
        report = self.report
        before = self._rows("jobs")
        started = time.perf_counter()
        for name, data in self._content:
            self._put(name, data)
        report.again_seconds = time.perf_counter() - started
        report.again_documents_per_second = documents / report.again_seconds
        report.again_jobs = self._rows("jobs") - before

    def _rows(self, table: str) -> int:
        return rows(self._server.data, table)


def rows(data: Path, table: str) -> int:
    """How many rows a table has, read beside the running server."""
    with closing(open_connection(data / "dragoman.db")) as connection:
        (count,) = connection.execute(f"select count(*) from {table}").fetchone()
        return int(count)


def kill_rounds(folder: Path, rounds: int, report: Report, *, seed: int) -> None:
    """Kills the server amid uploads and keeps what was lost, double or left over."""
    run = crash_run(folder, rounds=rounds, seed=seed)
    try:
        report.kill_problems = run.problems()
    finally:
        run.server.stop()
    data = run.server.data
    report.kill_problems += index_problems(data, dimensions=DIMENSIONS)
    report.kill_problems += sorted(referenced_files(data) - stored_files(data))
    stored = run.stored
    report.kill_rounds = stored.kills
    report.kill_acknowledged = (
        sum(1 for expected in stored.documents.values() if len(expected.words) == 1)
        + len(stored.collections)
        + len(stored.keys)
        + len(stored.gateways)
    )
    report.bounds[f"nothing acknowledged is lost in {rounds} kills"] = not report.kill_problems


def show(report: Report) -> None:
    """The figures for people."""
    for name, value in asdict(report).items():
        if name == "bounds":
            for bound, held in report.bounds.items():
                print(f"{'held  ' if held else 'MISSED'} {bound}")
        else:
            print(f"{name.replace('_', ' '):34} {round(value, 3) if isinstance(value, float) else value}")


def main() -> int:
    """Runs the benchmark; 1 when a bound was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=60, help="how many documents (default 60)")
    parser.add_argument("--kill-rounds", type=int, default=2, help="how often to kill the server (default 2)")
    parser.add_argument("--seed", type=int, default=7, help="of the moments of death (default 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        with Server(Path(folder) / "rate" / "data") as server, server.client() as client:
            report = Bench(server, client).run(arguments.documents)
        if arguments.kill_rounds:
            kill_rounds(Path(folder) / "kills", arguments.kill_rounds, report, seed=arguments.seed)
    if arguments.json:
        print(json.dumps(asdict(report)))
    else:
        show(report)
    return 0 if all(report.bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
