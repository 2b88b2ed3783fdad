"""Several processes over one database are one server: what one is told the others know, and nothing is done twice."""

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest
from pydantic import SecretStr
from tests.dialects.openai.gateway_server import Play, Provider
from tests.e2e.fleet import BUCKET, Fleet, fleet
from tests.e2e.server import EMAIL, Server

from dragoman.adapters.simulators.people import hook_call
from dragoman.adapters.simulators.services import SimulatedServices
from dragoman.bootstrap.machines import check_shared
from dragoman.db.connect import open_database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.keytable import caller_of
from dragoman.domain.accounts.repository import user_by_email
from dragoman.domain.schedules.model import Recipient
from dragoman.domain.schedules.service import SchedulesService
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import load_or_create_key
from dragoman.kit.errors import Unavailable
from dragoman.settings import Settings
from dragoman.settings.groups import DatabaseSettings
from postgres_server import PostgresServer

pytestmark = pytest.mark.postgres
_BETWEEN_SECONDS = 0.02
CLIENTS = "/api/v1/web-chat-client"


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def services() -> Iterator[SimulatedServices]:
    with SimulatedServices() as services:
        yield services


@pytest.fixture(scope="module")
def machines(
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    services: SimulatedServices,
    provider: Provider,
) -> Iterator[Fleet]:
    settings = {
        "DRAGOMAN_CHANNELS__TELEGRAM_URL": services.url,
        "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
    }
    with fleet(postgres_server, tmp_path_factory.mktemp("fleet"), settings=settings) as made:
        yield made


@pytest.fixture
def one(machines: Fleet) -> Iterator[httpx.Client]:
    with machines.serves[0].client() as client:
        yield client


@pytest.fixture
def other(machines: Fleet) -> Iterator[httpx.Client]:
    with machines.serves[1].client() as client:
        yield client


def collection_of(client: httpx.Client, name: str) -> str:
    made = client.post("/api/v1/collections", json={"collectionName": name})
    assert made.status_code == 200, made.text
    return made.json()["collectionId"]


def queued(client: httpx.Client, collection: str) -> int:
    return client.get(f"/api/v1/collections/{collection}").json()["state"]["queued"]


def gateway_of(client: httpx.Client, provider: Provider) -> str:
    parameters = {"baseAddress": f"{provider.origin}/v1", "modelName": "theirs"}
    made = client.post("/api/v1/ai-gateways", json={"name": "helper", "parameters": parameters})
    assert made.status_code == 200, made.text
    return made.json()["aiGatewayId"]


def chat_client_of(client: httpx.Client, provider: Provider) -> str:
    body = {
        "name": "Shop",
        "aiGatewayId": gateway_of(client, provider),
        "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
    }
    made = client.post(CLIENTS, json=body)
    assert made.status_code == 200, made.text
    return made.json()["id"]


def test_what_one_makes_the_other_serves_at_once(
    one: httpx.Client, other: httpx.Client, provider: Provider
) -> None:
    key = one.post("/api/v1/accounts/api-key", json={"label": "fresh", "duration": 30}).json()["grantKey"]
    models = other.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    assert models.status_code == 200
    gateway = gateway_of(one, provider)
    answer = other.post(
        "/v1/chat/completions", json={"model": gateway, "messages": [{"role": "user", "content": "hello"}]}
    )
    assert answer.status_code == 200, answer.text
    collection = collection_of(one, "shared")
    assert other.get(f"/api/v1/collections/{collection}").status_code == 200
    assert one.delete(f"/api/v1/ai-gateways/{gateway}").status_code == 200
    eventually(lambda: other.get(f"/api/v1/ai-gateways/{gateway}").status_code == 404, 5)


def test_what_one_takes_back_or_bounds_holds_on_the_other(
    machines: Fleet, one: httpx.Client, other: httpx.Client, provider: Provider
) -> None:
    made = one.post("/api/v1/accounts/api-key", json={"label": "short", "duration": 30}).json()
    keys = one.get("/api/v1/accounts/api-key").json()["apiKeys"]
    key_id = next(key["id"] for key in keys if key["label"] == "short")
    gateway = gateway_of(one, provider)
    hello = {"model": gateway, "messages": [{"role": "user", "content": "hello"}]}

    def asked() -> int:
        return other.post("/v1/chat/completions", json=hello).status_code

    def known() -> int:
        key = {"authorization": f"Bearer {made['grantKey']}"}
        return other.get("/v1/models", headers=key).status_code

    assert (asked(), known()) == (200, 200)
    limit = {"scope": "gateway", "subject": gateway, "measure": "requests", "period": "day", "amount": 1}
    bound = one.post("/api/v1/limits", json={**limit, "hard": True})
    assert bound.status_code == 200, bound.text
    eventually(lambda: asked() in (402, 429), 15)
    assert one.delete(f"/api/v1/limits/{bound.json()['id']}").status_code == 200
    eventually(lambda: asked() == 200, 15)
    assert one.delete(f"/api/v1/accounts/api-key/{key_id}").status_code == 200
    eventually(lambda: known() == 401, 15)
    patched = one.patch(f"/api/v1/ai-gateways/{gateway}", json={"parameters": {"modelName": "nobody's"}})
    assert patched.status_code == 200, patched.text
    shown = other.get(f"/api/v1/ai-gateways/{gateway}").json()
    assert shown["parameters"]["modelName"] == "nobody's"


def test_a_file_given_to_one_is_read_by_a_worker_and_found_by_the_other(
    machines: Fleet, one: httpx.Client, other: httpx.Client
) -> None:
    assert one.post("/user/add-dataset", json={"dataset": "lighthouse"}).status_code == 200
    uploaded = one.post(
        "/server/train-with-file",
        files={"file": ("keeper.md", b"# Keeper\n\nThe lighthouse keeper drinks rooibos tea.")},
        data={"dataset": "lighthouse"},
    )
    assert uploaded.status_code == 200, uploaded.text
    listed = other.get("/api/v1/collections").json()
    collection = next(item["id"] for item in listed if item["name"] == "lighthouse")
    eventually(lambda: queued(other, collection) == 0)
    query = {"term": "rooibos", "collections": [collection]}
    found = other.post("/api/v1/query", json=query)
    assert "rooibos" in found.text
    stored = urlopen(f"{machines.store}/{BUCKET}?list-type=2&prefix=files/documents/", timeout=30).read()
    assert b"<Key>files/documents/" in stored
    assert not list(machines.folder.glob("*/data/blobs/**/*"))


def test_messages_told_to_both_are_each_answered_once(
    machines: Fleet, one: httpx.Client, provider: Provider, services: SimulatedServices
) -> None:
    client = chat_client_of(one, provider)
    put = {"integrationType": "Telegram", "integrations": {"telegramIntegration": {"botToken": "123:abc"}}}
    assert one.put(f"{CLIENTS}/{client}/integrations", json=put).status_code == 200
    hook = one.get(f"{CLIENTS}/{client}").json()["webhooks"]["Telegram"]
    path = "/" + hook.split("/", 3)[3]
    people = [str(number) for number in range(9001, 9013)]
    for number, address in enumerate(people):
        call = hook_call(
            "telegram", address=address, text="hi", message_id=str(number), secret=hook.rsplit("/", 1)[-1]
        )
        for server in machines.serves:
            told = httpx.post(
                server.base + path, content=call.body, headers=dict(call.headers), trust_env=False
            )
            assert told.status_code == 200, told.text
    eventually(lambda: set(people) <= {sent.address for sent in services.sent})
    time.sleep(1)
    counted = Counter(sent.address for sent in services.sent)
    assert {address: counted[address] for address in people} == dict.fromkeys(people, 1)


def test_each_planned_message_comes_exactly_once(
    machines: Fleet, one: httpx.Client, provider: Provider, services: SimulatedServices
) -> None:
    client = chat_client_of(one, provider)
    put = {"integrationType": "Telegram", "integrations": {"telegramIntegration": {"botToken": "123:abc"}}}
    assert one.put(f"{CLIENTS}/{client}/integrations", json=put).status_code == 200
    hook = one.get(f"{CLIENTS}/{client}").json()["webhooks"]["Telegram"]
    people = [str(number) for number in range(7001, 7011)]
    before = Counter(sent.address for sent in services.sent)
    for number, address in enumerate(people):
        call = hook_call(
            "telegram", address=address, text="hi", message_id=f"7{number}", secret=hook.rsplit("/", 1)[-1]
        )
        httpx.post(hook, content=call.body, headers=dict(call.headers), trust_env=False).raise_for_status()
    eventually(lambda: all(Counter(s.address for s in services.sent)[a] == before[a] + 1 for a in people))
    asyncio.run(_plan(machines, client, people))
    eventually(lambda: all(Counter(s.address for s in services.sent)[a] >= before[a] + 2 for a in people))
    time.sleep(1)
    counted = Counter(sent.address for sent in services.sent)
    assert {address: counted[address] - before[address] for address in people} == dict.fromkeys(people, 2)


async def _plan(machines: Fleet, client: str, people: list[str]) -> None:
    database = open_database(machines.database_url, machines.folder)
    try:
        user = await database.read(user_by_email, EMAIL)
        assert user is not None
        caller: Caller = caller_of(user)
        schedules = SchedulesService(database)
        due = now_ms() + 500
        for address in people:
            to = Recipient(f"{address}@telegram", "telegram", address)
            await schedules.plan(caller, client, to, at=due, reason="ask again", context="")
    finally:
        await database.close()


def test_an_answer_is_followed_on_another_process_than_makes_it(
    machines: Fleet, one: httpx.Client, other: httpx.Client, provider: Provider
) -> None:
    client = chat_client_of(one, provider)
    key = one.post(f"{CLIENTS}/{client}/sessions", json={}).json()["accessKey"]
    gate = threading.Event()
    pieces = tuple(f"word{number} " for number in range(30))
    provider.plays.append(Play(pieces, stall_seconds=1.0))
    chat = f"/api/v1/public/chat-clients/{key}"

    def ask() -> None:
        with (
            machines.serves[0].client() as asking,
            asking.stream(
                "POST",
                f"{chat}/prompt?keep=1",
                json={"prompt": "tell"},
                headers={"accept": "text/event-stream"},
            ) as answer,
        ):
            gate.set()
            answer.read()

    asking = threading.Thread(target=ask)
    asking.start()
    followed: list[str] = []

    def follows() -> bool:
        followed.clear()
        with other.stream("GET", f"{chat}/events") as answer:
            if answer.status_code == 204:
                return False
            followed.extend(line for line in answer.iter_lines() if line.startswith("data: "))
        return True

    eventually(follows, 20)
    asking.join()
    assert gate.is_set()
    assert followed[-1] == "data: [DONE]"
    chunks: list[dict[str, Any]] = [json.loads(line[6:]) for line in followed[:-1]]
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks if one.get("choices"))
    assert text == "".join(pieces)
    assert chunks[-1]["message_id"]


class Balancer:
    """Sends requests in turn to those servers that say they are ready, as a load balancer in front would."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._ready = {server.base: True for server in servers}
        self._turn = itertools.count()
        self._over = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._probe)]
        self._threads += [threading.Thread(target=self._send) for _ in range(4)]

    def __enter__(self) -> "Balancer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _probe(self) -> None:
        while not self._over.wait(0.1):
            for server in self._servers:
                try:
                    answer = httpx.get(f"{server.base}/health/ready", trust_env=False, timeout=5)
                    self._ready[server.base] = answer.status_code == 200
                except httpx.TransportError:
                    self._ready[server.base] = False

    def _send(self) -> None:
        clients = {server.base: server.client() for server in self._servers}
        body = {"model": "echo", "messages": [{"role": "user", "content": "again"}]}
        # Steady, but so that the process that starts gets its share of the machine.
        while not self._over.wait(_BETWEEN_SECONDS):
            ready = [base for base, is_ready in self._ready.items() if is_ready]
            if not ready:
                self._note("nobody is ready")
                continue
            base = ready[next(self._turn) % len(ready)]
            try:
                answer = clients[base].post("/v1/chat/completions", json={**body, "model": "extractive"})
                self._note(None if answer.status_code == 200 else answer.text)
            except httpx.TransportError as error:
                self._note(f"{type(error).__name__}: {error}")
        for client in clients.values():
            client.close()

    def _note(self, failure: str | None) -> None:
        with self._lock:
            self.answered += failure is None
            if failure is not None:
                self.failures.append(failure)


def test_a_rolling_restart_fails_no_request(machines: Fleet) -> None:
    with Balancer(machines.serves) as traffic:
        eventually(lambda: traffic.answered > 20)
        for server in machines.serves:
            assert server.stop() == 0
            server.start()
            before = traffic.answered
            eventually(lambda before=before: traffic.answered > before + 20)
    assert traffic.failures == []


async def test_a_machine_with_another_root_key_is_refused(machines: Fleet, tmp_path: Path) -> None:
    odd = Settings(data_dir=tmp_path, database=DatabaseSettings(url=SecretStr(machines.database_url)))
    database = open_database(machines.database_url, tmp_path)
    try:
        with pytest.raises(Unavailable, match=r"machines\.key_file"):
            await check_shared(odd, database, load_or_create_key(odd.key_file))
    finally:
        await database.close()


def test_the_work_of_a_killed_worker_goes_on_elsewhere(
    machines: Fleet, one: httpx.Client, other: httpx.Client
) -> None:
    collection = collection_of(one, "killed")
    lines = "\n".join(
        json.dumps({"docid": f"doc-{number}", "text": f"The mark is zorba{number:04d}. " + "Filling. " * 300})
        for number in range(400)
    )
    imported = one.post(
        f"/api/v1/collections/{collection}/documents",
        files={"documents": ("all.jsonl", lines.encode(), "application/jsonl")},
    )
    assert imported.status_code == 200, imported.text
    machines.works[0].kill()
    eventually(lambda: queued(other, collection) == 0, 180)
    for number in (0, 199, 399):
        query = {"term": f"zorba{number:04d}", "collections": [collection], "top": 20}
        found = other.post("/api/v1/query", json=query)
        assert found.text.count(f"zorba{number:04d}") == 1, found.text
