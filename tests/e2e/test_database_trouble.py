"""A database that is locked or cannot grow refuses writes clearly, goes on reading, and mends by itself."""

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from tests.e2e.server import Server

from dragoman.db.sqlite_driver import open_connection

_QUESTION = "What does the lighthouse keeper drink?"
# Those that wait behind the first wait once more.
_REFUSED_WITHIN_SECONDS = 13.0
_READ_SECONDS = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "DRAGOMAN_EMBEDDING__PROVIDER": "none",
        "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
    }
    with Server(tmp_path_factory.mktemp("trouble") / "data", settings) as running:
        yield running


@pytest.fixture(scope="module")
def collection(server: Server) -> str:
    with server.client() as client:
        client.post("/user/add-dataset", json={"dataset": "coast"})
        train = {"content": "The lighthouse keeper drinks rooibos tea.", "force_dataset": "coast"}
        assert client.post("/server/train", json=train).status_code == 200
        listed = client.get("/api/v1/collections").json()
    return next(item["id"] for item in listed if item["name"] == "coast")


def _writes(client: httpx.Client, collection: str, label: str) -> list[httpx.Response]:
    """One write in each dialect that writes; at the same time, so that they share a transaction."""
    calls: list[dict[str, Any]] = [
        {
            "method": "PUT",
            "url": f"/api/v1/collections/{collection}/documents",
            "json": {"name": label, "contents": f"The {label} stands by the door. " * 200},
        },
        {
            "method": "POST",
            "url": "/server/train",
            "json": {"content": f"The {label} hangs on the wall. " * 200, "force_dataset": "coast"},
        },
        {
            "method": "POST",
            "url": "/server/train-with-file",
            "files": {"file": (f"{label}.txt", f"The {label} lies in the attic.")},
            "data": {"dataset": "coast"},
        },
    ]
    answers: dict[int, httpx.Response] = {}

    def call(number: int) -> None:
        answers[number] = client.request(**calls[number])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(calls))]


def _reads_work(client: httpx.Client, collection: str) -> None:
    """Reading and answering go on, and quickly."""
    started = time.monotonic()
    assert client.get(f"/api/v1/collections/{collection}").status_code == 200
    assert client.get("/health/ready").status_code == 200
    query = {"term": _QUESTION, "collections": [collection], "minScore": 0.01}
    assert "rooibos" in client.post("/api/v1/query", json=query).text
    body = {"model": "extractive", "messages": [{"role": "user", "content": "Hello"}]}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    assert time.monotonic() - started < _READ_SECONDS


def _refused(answers: list[httpx.Response], words: str) -> None:
    """All refused with 503 in the shape of their dialect."""
    aivax, train, file = answers
    assert [answer.status_code for answer in answers] == [503, 503, 503], [answer.text for answer in answers]
    assert words in aivax.json()["error"]
    for answer in (train, file):
        assert words in answer.json()["response"]
        assert answer.json()["status"] == 503


@contextmanager
def _locked(server: Server) -> Iterator[None]:
    """Another process's write transaction."""
    with closing(open_connection(server.data / "dragoman.db")) as connection:
        connection.execute("begin immediate")
        try:
            yield
        finally:
            connection.execute("rollback")


def test_a_database_locked_for_long_refuses_writes_and_goes_on_reading(
    server: Server, collection: str
) -> None:
    with server.client() as client, server.client() as reader:
        results: list[httpx.Response] = []
        writing = threading.Thread(target=lambda: results.extend(_writes(client, collection, "umbrella")))
        with _locked(server):
            started = time.monotonic()
            writing.start()
            while time.monotonic() - started < 4.0:
                _reads_work(reader, collection)
                time.sleep(0.2)
            writing.join(_REFUSED_WITHIN_SECONDS)
            assert not writing.is_alive()
            assert time.monotonic() - started < _REFUSED_WITHIN_SECONDS
        _refused(results, "locked")
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in results)
        assert [answer.status_code for answer in _writes(client, collection, "umbrella")] == [200, 200, 200]
        _found(client, collection, "umbrella", 3)


def test_a_disk_that_takes_no_more_refuses_writes_and_goes_on_reading(
    server: Server, collection: str
) -> None:
    with server.client() as client:
        before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            for _ in range(3):
                _refused(_writes(client, collection, "ladder"), "")
                _reads_work(client, collection)
        finally:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        assert [answer.status_code for answer in _writes(client, collection, "ladder")] == [200, 200, 200]
        _found(client, collection, "ladder", 3)


def _found(client: httpx.Client, collection: str, word: str, documents: int) -> None:
    """So many documents hold the word, once their indexing is through."""
    deadline = time.monotonic() + 10
    found: list[str] = []
    while len(found) < documents and time.monotonic() < deadline:
        body = {"term": word, "collections": [collection], "minScore": 0.01, "top": 50}
        found = [
            hit["documentId"]
            for hit in client.post("/api/v1/query", json=body).json()
            if word in hit["documentContent"]
        ]
        time.sleep(0.1)
    assert len(found) == documents
