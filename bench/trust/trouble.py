"""Trouble that a server meets: no space, a locked database, a dead provider, damaged vectors. It degrades, and mends by itself."""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from rows import Row
from tests.e2e.server import Server
from upstream import MODEL, Upstream

from dragoman.db.sqlite_driver import open_connection
from dragoman.kit.weights import default_folder, missing

LOCKED_SECONDS = 5.0
MENDED_SECONDS = 10.0
PART = "trouble"


@contextmanager
def house(folder: Path, upstream: Upstream) -> Iterator[tuple[Server, str]]:
    """A server with one collection of one document, and the provider as its model."""
    settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", **upstream.settings}
    with Server(folder / "trouble" / "data", settings) as server, server.client() as client:
        made = client.post("/api/v1/collections", json={"collectionName": "coast"}).json()["collectionId"]
        put(client, made, "keeper", "The lighthouse keeper drinks rooibos tea.")
        yield server, made


def put(client: httpx.Client, collection: str, name: str, text: str) -> int:
    """Stores a text; gives the status."""
    body = {"name": name, "contents": text}
    return client.put(f"/api/v1/collections/{collection}/documents", json=body).status_code


def finds(client: httpx.Client, collection: str, word: str) -> bool:
    """Whether a document with the word is found."""
    body = {"term": word, "collections": [collection], "minScore": 0.01, "top": 50}
    answer = client.post("/api/v1/query", json=body)
    return answer.status_code == 200 and any(word in hit["documentContent"] for hit in answer.json())


def mended(works: bool, seconds: float) -> str:
    """How a recovery is told."""
    return f"works again after {seconds:.1f} s" if works else f"does not work again within {seconds:.1f} s"


def until(holds: Callable[[], bool], seconds: float) -> tuple[bool, float]:
    """Whether it holds in time, and after how long."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if holds():
            return True, time.monotonic() - began
        time.sleep(0.1)
    return False, seconds


def trouble(folder: Path) -> list[Row]:
    """One row for each kind of trouble."""
    with (
        Upstream(folder / "provider") as upstream,
        house(folder, upstream) as (server, collection),
        server.client() as client,
    ):
        rows = [
            disk_full(server, client, collection),
            locked(server, client, collection),
            provider_dead(client, upstream),
        ]
    return rows + ([] if missing(default_folder()) else [vectors_damaged(folder)])


def disk_full(server: Server, client: httpx.Client, collection: str) -> Row:
    """The process may write no file any more; reading goes on, and what was refused goes through afterwards."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        refused = [put(client, collection, f"full {number}", "ladder " * 300) for number in range(5)]
        reads = finds(client, collection, "rooibos")
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))
    back, seconds = until(
        lambda: put(client, collection, "after", "The ladder stands by the door.") == 200, MENDED_SECONDS
    )
    back = back and finds(client, collection, "ladder")
    good = set(refused) == {503} and reads and back
    measured = f"writes answered {sorted(set(refused))}, search {'went on' if reads else 'failed'}, {mended(back, seconds)}"
    return Row(PART, "disk full", measured, "503 for writes, search goes on, mends by itself", good)


def locked(server: Server, client: httpx.Client, collection: str) -> Row:
    """Another program holds the database's write lock."""
    statuses: list[int] = []
    writing = threading.Thread(
        target=lambda: statuses.append(put(client, collection, "locked", "The umbrella hangs there."))
    )
    slowest, reads = 0.0, True
    with closing(open_connection(server.data / "dragoman.db")) as connection, server.client() as reader:
        connection.execute("begin immediate")
        began = time.monotonic()
        writing.start()
        while time.monotonic() - began < LOCKED_SECONDS:
            asked = time.monotonic()
            reads = finds(reader, collection, "rooibos") and reads
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.1)
        connection.execute("rollback")
    writing.join(30)
    back, seconds = until(
        lambda: put(client, collection, "locked", "The umbrella hangs there.") == 200, MENDED_SECONDS
    )
    back = back and finds(client, collection, "umbrella")
    good = statuses in ([200], [503]) and reads and back
    measured = f"a write got {statuses}, slowest search {slowest * 1000:.0f} ms, {mended(back, seconds)}"
    return Row(
        PART,
        f"database locked {LOCKED_SECONDS:g} s",
        measured,
        "200 or 503, search goes on, mends by itself",
        good,
    )


def vectors_damaged(folder: Path) -> Row:
    """Vectors and codes are overwritten while the server runs; words answer, and a start makes them anew."""
    server = Server(folder / "vectors" / "data", {"DRAGOMAN_MODELS__LOCAL__ENABLED": "false"})
    server.start()
    try:
        with server.client() as client:
            made = client.post("/api/v1/collections", json={"collectionName": "coast"}).json()["collectionId"]
            for number in range(5):
                put(client, made, f"keeper {number}", f"Keeper {number} drinks rooibos tea in the tower.")
            until(lambda: _alike(client, made), MENDED_SECONDS * 6)
            with closing(open_connection(server.data / "dragoman.db")) as connection:
                connection.execute("update passage_vectors_384 set vector = x'0011'")
                connection.execute("update passage_codes_384 set bits = x'00'")
                connection.commit()
            reads = finds(client, made, "rooibos")
        server.kill()
        server.start()
        with server.client() as client:
            back, seconds = until(lambda: _alike(client, made), MENDED_SECONDS * 6)
    finally:
        server.kill()
    measured = f"search by words {'went on' if reads else 'failed'}, {mended(back, seconds)} of a start"
    return Row(PART, "vectors damaged", measured, "search goes on, mends by itself", reads and back)


def _alike(client: httpx.Client, collection: str) -> bool:
    """Whether something is found by its meaning alone."""
    body = {
        "term": "hot beverages",
        "collections": [collection],
        "minScore": 0.3,
        "reranker": "none",
        "top": 5,
    }
    answer = client.post("/api/v1/query", json=body)
    return answer.status_code == 200 and len(answer.json()) == 5


def provider_dead(client: httpx.Client, upstream: Upstream) -> Row:
    """The model's provider is gone in the middle of things, then back at the same address."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}

    def ask() -> int:
        return client.post("/v1/chat/completions", json=asked).status_code

    before = ask()
    upstream.kill()
    began = time.monotonic()
    dead = ask()
    waited = time.monotonic() - began
    others = client.post(
        "/v1/chat/completions", json={"model": "extractive", "messages": asked["messages"]}
    ).status_code
    upstream.start()
    back, seconds = until(lambda: ask() == 200, MENDED_SECONDS)
    good = before == 200 and 500 <= dead < 505 and others == 200 and back
    measured = f"answered {dead} after {waited:.1f} s, other models {others}, {mended(back, seconds)}"
    return Row(PART, "provider dead", measured, "502 to 504, others go on, mends by itself", good)
