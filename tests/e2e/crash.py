"""Writes to a server over HTTP while it is killed again and again, and tells what must be there afterwards."""

import io
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.e2e.index_state import child_processes, is_running
from tests.e2e.server import EMAIL, Server

from samples import docx

_SETTLE_SECONDS = 120.0
_CHILDREN_SECONDS = 5.0
_MAXIMUM_DOCUMENTS_A_ROUND = 60


@dataclass
class Expected:
    """What a document may hold: one of these words; None among them means that it may be gone."""

    words: set[str | None]


@dataclass
class Acknowledged:
    """What the server said it has stored. Guarded by the lock of the run."""

    documents: dict[str, Expected] = field(default_factory=dict)
    collections: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    gateways: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    requests_cut: int = 0
    writers_lost: list[str] = field(default_factory=list)
    restart_seconds: list[float] = field(default_factory=list)


class NotTaken(Exception):
    """The server refused a write for now: 503. Whether it was stored is not known."""


class CrashRun:
    """Rounds of uploads that end in SIGKILL, over one data folder.

    Args:
        seed: of what is written and of the moments of death.
        documents: the most documents a writer stores in a round.
    """

    def __init__(self, server: Server, *, seed: int, documents: int = _MAXIMUM_DOCUMENTS_A_ROUND) -> None:
        self.server = server
        self.stored = Acknowledged()
        self._random = random.Random(seed)
        self._documents = documents
        self._number = itertools.count()
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self.collection = ""
        self.dataset = "crashes"

    def prepare(self) -> None:
        """Makes the collection that all writers write to; the server runs."""
        with self.server.client() as client:
            assert client.post("/user/add-dataset", json={"dataset": self.dataset}).status_code == 200
            listed = client.get("/api/v1/collections").json()
        self.collection = next(item["id"] for item in listed if item["name"] == self.dataset)

    def round(self, strike: Callable[[], None] | None = None) -> None:
        """Writers write until the server is killed amid their work; starts it again.

        Args:
            strike: kills something else instead, and returns when all is well again.
        """
        stop = threading.Event()
        writers = [
            threading.Thread(target=self._write, args=(write, stop))
            for write in (self._text, self._file, self._thing)
        ]
        children = child_processes(self.server.pid)
        for writer in writers:
            writer.start()
        end = time.monotonic() + self._random.uniform(0.2, 2.5)
        while time.monotonic() < end:
            children |= child_processes(self.server.pid)
            time.sleep(0.02)
        self.stored.kills += 1
        if strike is not None:
            strike()
        else:
            self.server.kill()
        stop.set()
        for writer in writers:
            writer.join()
        if strike is not None:
            return
        _wait_for(
            lambda: not any(map(is_running, children)),
            _CHILDREN_SECONDS,
            lambda: f"child processes live on: {[_command(pid) for pid in children if is_running(pid)]}",
        )
        self.stored.restart_seconds.append(self.server.start())

    def settle(self) -> None:
        """Waits until nothing is queued any more."""
        with self.server.client() as client:
            path = f"/api/v1/collections/{self.collection}"
            _wait_for(
                lambda: client.get(path).json()["state"]["queued"] == 0,
                _SETTLE_SECONDS,
                "documents still wait",
            )

    # Writers

    def _write(self, write: Callable[[httpx.Client], None], stop: threading.Event) -> None:
        with self.server.client() as client:
            for _ in range(self._documents):
                if stop.is_set():
                    return
                try:
                    write(client)
                except httpx.TransportError:
                    with self._lock:
                        self.stored.requests_cut += 1
                    return
                except NotTaken:
                    with self._lock:
                        self.stored.requests_cut += 1
                    time.sleep(0.1)
                except Exception as error:  # noqa: BLE001  whatever it is, it is told among the problems
                    said = f"{type(error).__name__}: {error}"[:300]
                    with self._lock:
                        self.stored.writers_lost.append(f"a writer ended: {said}")
                    return

    def _expect(self, name: str, word: str | None) -> None:
        """Before a request: until it is answered, the old state or the new one is right."""
        with self._lock:
            known = self.stored.documents.setdefault(name, Expected({None}))
            known.words.add(word)

    def _acknowledge(self, name: str, word: str | None) -> None:
        with self._lock:
            self.stored.documents[name] = Expected({word})

    def _text(self, client: httpx.Client) -> None:
        """Stores a text; now and then changes or deletes one of before."""
        number = next(self._number)
        choice = number % 7
        with self._lock:
            settled = [name for name in self._ids if len(self.stored.documents[name].words) == 1]
        if settled and choice == 5:
            name = self._pick(settled)
            self._expect(name, None)
            answer = client.delete(f"/api/v1/collections/{self.collection}/documents/{self._ids.pop(name)}")
            _taken(answer)
            self._acknowledge(name, None)
            return
        name = self._pick(settled) if settled and choice == 3 else f"text-{number}"
        word = f"zorba{number:05d}"
        self._expect(name, word)
        body = {"name": name, "contents": f"The mark of this text is {word}.\n\n" + _filling(number)}
        answer = client.put(f"/api/v1/collections/{self.collection}/documents", json=body)
        _taken(answer)
        self._ids[name] = answer.json()["documentId"]
        self._acknowledge(name, word)

    def _pick(self, names: list[str]) -> str:
        return names[next(self._number) % len(names)]

    def _file(self, client: httpx.Client) -> None:
        number = next(self._number)
        word = f"kestrel{number:05d}"
        if number % 2:
            name, content = (
                f"file-{number}.md",
                f"# Report\n\nIt is about {word}.\n\n{_filling(number)}".encode(),
            )
        else:
            name, content = (
                f"file-{number}.docx",
                docx([("Heading1", "Report"), ("", f"It is about {word}.")]),
            )
        self._expect(name, word)
        answer = client.post(
            "/server/train-with-file",
            files={"file": (name, io.BytesIO(content))},
            data={"dataset": self.dataset},
        )
        _taken(answer)
        self._acknowledge(name, word)

    def _thing(self, client: httpx.Client) -> None:
        """A collection, a key or a gateway."""
        number = next(self._number)
        name = f"thing-{number}"
        if number % 3 == 0:
            made = _made(client, "/api/v1/collections", {"collectionName": name})
            self.stored.collections[made["collectionId"]] = name
        elif number % 3 == 1:
            made = _made(client, "/api/v1/accounts/api-key", {"label": name, "duration": 30})
            self.stored.keys.append(made["grantKey"])
        else:
            parameters = {"baseAddress": "@integrated", "modelName": "extractive"}
            made = _made(client, "/api/v1/ai-gateways", {"name": name, "parameters": parameters})
            self.stored.gateways[made["aiGatewayId"]] = name
        time.sleep(0.02)

    # What a client sees afterwards

    def problems(self) -> list[str]:
        """What is missing, double, or not findable, as clients see it, and calls that were answered as they must not be.

        Empty when every promise was kept.
        """
        with self.server.client() as client:
            seen = [*self._document_problems(client), *self._thing_problems(client)]
        return [*self.stored.writers_lost, *seen]

    def _document_problems(self, client: httpx.Client) -> list[str]:
        listed: dict[str, list[str]] = {}
        for offset in itertools.count(0, 100):
            page = client.get(
                f"/api/v1/collections/{self.collection}/documents", params={"limit": 100, "offset": offset}
            ).json()
            for item in page:
                listed.setdefault(item["name"], []).append(item["indexState"])
            if len(page) < 100:
                break
        problems = [f"{name} is not known to anybody" for name in listed if name not in self.stored.documents]
        for name, expected in self.stored.documents.items():
            states = listed.get(name, [])
            if len(states) > 1 or (not states and None not in expected.words):
                problems.append(f"{name}: {len(states)} times there")
            elif states and states[0] != "Indexed":
                problems.append(f"{name} is {states[0]}")
            problems += self._search_problems(client, name, expected, there=bool(states))
        return problems

    def _search_problems(
        self, client: httpx.Client, name: str, expected: Expected, *, there: bool
    ) -> list[str]:
        wanted = [word for word in expected.words if word is not None]
        found = [word for word in wanted if name in self._found(client, word)]
        if there and len(found) != 1:
            return [f"{name}: found by {found} of {wanted}"]
        return [f"{name} is gone and yet found by {found}"] if found and not there else []

    def _found(self, client: httpx.Client, word: str) -> list[str]:
        # Texts this alike are as near to the word as its own; how results are ranked is not the question here.
        body = {"term": word, "collections": [self.collection], "minScore": 0.01, "top": 128}
        answer = client.post("/api/v1/query", json=body)
        assert answer.status_code == 200, answer.text
        return [hit["documentName"] for hit in answer.json() if word in hit["documentContent"]]

    def _thing_problems(self, client: httpx.Client) -> list[str]:
        collections = {item["id"]: item["name"] for item in client.get("/api/v1/collections").json()}
        gateways = {item["id"]: item["name"] for item in client.get("/api/v1/ai-gateways").json()}
        problems = [
            f"{name} is gone" for id, name in self.stored.collections.items() if collections.get(id) != name
        ]
        problems += [
            f"{name} is gone" for id, name in self.stored.gateways.items() if gateways.get(id) != name
        ]
        for key in self.stored.keys:
            headers = {"authorization": f"Bearer {key}"}
            if client.get("/v1/models", headers=headers).status_code != 200:
                problems.append(f"a key of {EMAIL} does not work")
        return problems


def _made(client: httpx.Client, path: str, body: dict[str, object]) -> dict[str, str]:
    answer = client.post(path, json=body)
    _taken(answer)
    return answer.json()


def _taken(answer: httpx.Response) -> None:
    if answer.status_code == 503:
        raise NotTaken(answer.text)
    assert answer.status_code == 200, f"{answer.request.url.path} answered {answer.status_code} {answer.text}"


def _filling(number: int) -> str:
    """A sentence or many; every tenth document has several passages."""
    sentence = f"Number {number} stands on a shelf beside the others and is dusted once a month. "
    return sentence * (60 if number % 10 == 0 else 1)


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _wait_for(holds: Callable[[], bool], seconds: float, what: str | Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s {what if isinstance(what, str) else what()}")
        time.sleep(0.1)


def crash_run(folder: Path, *, rounds: int, seed: int, settings: dict[str, str] | None = None) -> CrashRun:
    """A run whose server was killed so many times, settled and still running."""
    run = CrashRun(Server(folder / "data", settings), seed=seed)
    run.server.start()
    run.prepare()
    for _ in range(rounds):
        run.round()
    run.settle()
    return run
