"""Measures what the sizing guide counts with: processor time and memory of one process for answers, files and vectors.

usage: sizing.py [--seconds N] [--documents N]

Processor time is the scheduler's account of a server and its children, so it holds on a busy machine, too; rates for one
core follow from it. With PostgreSQL the database's own time is told apart.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(_ROOT),
    str(_ROOT / "tests"),
    str(_ROOT / "bench" / "gateway"),
    str(_ROOT / "bench" / "trust"),
]

import httpx  # noqa: E402
from harness import cpu_us  # noqa: E402
from tests.e2e.index_state import child_processes  # noqa: E402
from tests.e2e.server import API_KEY, Server  # noqa: E402
from upstream import Upstream, resident_mb  # noqa: E402

from dragoman.kit.weights import default_folder, missing  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402
from samples import docx  # noqa: E402

PAGE_WORDS = 350


def memory(pid: int) -> float:
    """Memory of a process and its children, in MiB; shared pages are counted once."""
    return sum(resident_mb(one) for one in {pid, *child_processes(pid)})


def spent(server: Server, work: Callable[[], int]) -> float:
    """Milliseconds of processor time of the server for each of the things done."""
    before = cpu_us(server.pid)
    done = work()
    return (cpu_us(server.pid) - before) / 1000 / max(1, done)


@contextmanager
def servers(folder: Path, upstream: Upstream) -> Iterator[dict[str, Server]]:
    """One server over SQLite and one over PostgreSQL."""
    postgres = PostgresServer()
    try:
        vectors = {} if not missing(default_folder()) else {"DRAGOMAN_EMBEDDING__PROVIDER": "none"}
        address = {"DRAGOMAN_DATABASE__URL": postgres.url(postgres.create())}
        with (
            Server(folder / "sqlite" / "data", {**upstream.settings, **vectors}) as one,
            Server(folder / "postgres" / "data", {**upstream.settings, **vectors, **address}) as other,
        ):
            yield {"SQLite": one, "PostgreSQL": other}
    finally:
        postgres.stop()


def put_texts(client: httpx.Client, collection: str, number: int) -> int:
    """Stores so many pages of text, and waits until they are findable by meaning; gives how many."""
    page = " ".join(f"word{place % 97} of the page" for place in range(PAGE_WORDS // 4))
    for one in range(number):
        body = {"name": f"page {one}", "contents": f"Page {one}. {page}"}
        client.put(f"/api/v1/collections/{collection}/documents", json=body).raise_for_status()
    while client.get(f"/api/v1/collections/{collection}").json()["state"]["queued"]:
        time.sleep(0.1)
    return number


def put_files(client: httpx.Client, collection: str, name: str, number: int) -> int:
    """The same as Word files of ten pages; gives how many pages."""
    pages = [("", f"Sentence {place} on a page. " * (PAGE_WORDS // 5)) for place in range(10)]
    for one in range(number):
        content = docx([("Heading1", f"Report {one}"), *pages])
        client.post(
            "/server/train-with-file", files={"file": (f"{one}.docx", content)}, data={"dataset": name}
        ).raise_for_status()
    while client.get(f"/api/v1/collections/{collection}").json()["state"]["queued"]:
        time.sleep(0.1)
    return number * 10


def search(client: httpx.Client, collection: str, number: int) -> int:
    """Asks so many different questions."""
    for one in range(number):
        body = {"term": f"what does page {one} say of word{one % 97}", "collections": [collection]}
        client.post("/api/v1/query", json=body).raise_for_status()
    return number


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--documents", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sizing-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Upstream(folder / "provider") as upstream, servers(folder, upstream) as both:
            print("| what | SQLite | PostgreSQL |\n|---|--:|--:|")
            rows = {where: _figures(server, upstream, given) for where, server in both.items()}
            for what in rows["SQLite"]:
                print(f"| {what} | {rows['SQLite'][what]:.2f} | {rows['PostgreSQL'][what]:.2f} |")


def _figures(server: Server, upstream: Upstream, given: argparse.Namespace) -> dict[str, float]:
    found = {"memory after the start, MiB": memory(server.pid)}

    def answers() -> int:
        load = upstream.load([server.port], API_KEY, seconds=given.seconds, connections=32)
        return int(load["rate"] * given.seconds)

    upstream.load([server.port], API_KEY, seconds=1, connections=32)
    found["CPU an answer through the gateway, ms"] = spent(server, answers)
    found["memory after answers, MiB"] = memory(server.pid)
    with server.client() as client:
        client.post("/user/add-dataset", json={"dataset": "files"})
        listed = client.get("/api/v1/collections").json()
        files = next(item["id"] for item in listed if item["name"] == "files")
        texts = client.post("/api/v1/collections", json={"collectionName": "texts"}).json()["collectionId"]
        put_texts(client, texts, 2)
        found["CPU a page of text, stored, cut, embedded, ms"] = spent(
            server, lambda: put_texts(client, texts, given.documents)
        )
        found["CPU a page of a Word file, read as well, ms"] = spent(
            server, lambda: put_files(client, files, "files", max(1, given.documents // 10))
        )
        found["CPU a search, ms"] = spent(server, lambda: search(client, texts, given.documents))
        found["memory with reader and embedder, MiB"] = memory(server.pid)
    return found


if __name__ == "__main__":
    main()
