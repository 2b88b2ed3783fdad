"""Whole days of work over HTTP: from documents to a chat, a move to another account, a pile of invoices."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openai import OpenAI
from tests.dialects.openai.gateway_server import Play, Provider, World, says
from tests.e2e.server import API_KEY, Server

from dragoman.db.sqlite_driver import open_connection

FACT = "four hundred and twelve litres"
QUESTION = "How much does the cistern in the east wing hold?"
DOCUMENTS = [
    {
        "docid": "cistern.md",
        "text": f"The cistern in the east wing holds {FACT} of rain water.",
        "__ref": "house/1",
        "__tags": ["water"],
    },
    {"docid": "stairs.md", "text": "The stairs to the attic have nineteen steps and no rail.", "__tags": []},
    {"docid": "garden.md", "text": "The garden gate is locked at nine in the evening by the porter."},
]
SKILL = {
    "slug": "water-rules",
    "description": "What to say about water",
    "instructions": "Name the amount in words.",
}
_INDEXING_SECONDS = 30.0
_CHATS = "/api/v1/web-chat-client"

INVOICE = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "pattern": "^R-[0-9]{4}$"},
        "total": {"type": "number", "minimum": 0},
        "paid": {"type": "boolean"},
    },
    "required": ["number", "total", "paid"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = '[egress]\nallow = ["127.0.0.1"]\n'
    with Server(tmp_path_factory.mktemp("stories") / "data", config=config) as running:
        yield running


def import_documents(client: httpx.Client, name: str, lines: bytes) -> str:
    """The id of a new collection in which the lines are searchable."""
    made = client.post("/api/v1/collections", json={"collectionName": name})
    assert made.status_code == 200, made.text
    address = f"/api/v1/collections/{made.json()['collectionId']}"
    files = {"documents": (f"{name}.jsonl", lines, "application/jsonl")}
    taken = client.post(f"{address}/documents", files=files)
    assert taken.json() == {"enqueued": len(lines.splitlines()), "skipped": 0}, taken.text
    deadline = time.monotonic() + _INDEXING_SECONDS
    while True:
        state = client.get(address).json()["state"]
        if state["queued"] == 0:
            break
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert state == {"total": len(lines.splitlines()), "indexed": state["total"], "queued": 0}
    return str(made.json()["collectionId"])


def new_gateway(client: httpx.Client, name: str, parameters: dict[str, Any]) -> str:
    made = client.post("/api/v1/ai-gateways", json={"name": name, "parameters": parameters})
    assert made.status_code == 200, made.text
    return str(made.json()["aiGatewayId"])


def ask(server: Server, key: str, gateway: str) -> tuple[str, list[dict[str, Any]]]:
    """Text and annotations of a streamed answer as the OpenAI SDK gives them."""
    text, notes = "", []
    with OpenAI(base_url=f"{server.base}/v1", api_key=key) as client:
        stream = client.chat.completions.create(
            model=gateway, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                notes += (choice.delta.model_extra or {}).get("annotations") or []
    return text, notes


@pytest.fixture(scope="module")
def collection(server: Server) -> str:
    lines = b"".join(json.dumps(document).encode() + b"\n" for document in DOCUMENTS)
    with server.client() as client:
        return import_documents(client, "house", lines)


@pytest.fixture(scope="module")
def gateway(server: Server, collection: str) -> str:
    with server.client() as client:
        taken = client.post("/api/v1/skills", json=SKILL)
        assert taken.status_code == 200, taken.text
        parameters = {
            "baseAddress": "@integrated",
            "modelName": "gpt-4o-mini",
            "knowledgeCollections": [collection],
            "knowledgeBaseMaximumResults": 3,
        }
        return new_gateway(client, "House", parameters)


def test_an_imported_fact_is_quoted_by_the_gateway_and_by_its_web_chat(server: Server, gateway: str) -> None:
    text, notes = ask(server, API_KEY, gateway)
    assert FACT in text
    assert "cistern.md" in [note["name"] for note in notes]
    with (
        server.client() as client,
        httpx.Client(base_url=server.base, trust_env=False, timeout=60) as visitor,
    ):
        chat = client.post(_CHATS, json={"name": "Visitors", "aiGatewayId": gateway}).json()["id"]
        key = client.post(f"{_CHATS}/{chat}/sessions", json={}).json()["accessKey"]
        address = f"/api/v1/public/chat-clients/{key}"
        answered = visitor.post(f"{address}/prompt", json={"prompt": {"role": "user", "content": QUESTION}})
        assert FACT in answered.json()["completionText"], answered.text
        transcript = visitor.get(f"{address}/transcript.json").json()
    assert [message["role"] for message in transcript["messages"]] == ["user", "assistant"]
    assert transcript["messages"][0]["content"] == QUESTION
    assert FACT in transcript["messages"][1]["content"]


def test_another_account_answers_the_same_from_what_the_first_one_exported(
    server: Server, collection: str, gateway: str
) -> None:
    server.command("users", "create", "--email", "bo@example.org", "--json")
    key = json.loads(server.command("keys", "create", "--email", "bo@example.org", "--json").stdout)["key"]
    with server.client() as client, server.client(key) as other:
        skills = client.get("/api/v1/skills/management/export.jsonl").content
        files = {"skills": ("skills.jsonl", skills, "application/jsonl")}
        taken = other.post("/api/v1/skills/management/import", files=files)
        assert taken.json() == {"enqueued": 1, "skipped": 0}
        lines = client.get(f"/api/v1/collections/{collection}/export.jsonl").content
        copy = import_documents(other, "house", lines)
        assert other.get(f"/api/v1/collections/{copy}/export.jsonl").content == lines
        exported = client.get(f"/api/v1/ai-gateways/{gateway}").json()
        parameters = {**exported["parameters"], "knowledgeCollections": [copy]}
        moved = new_gateway(other, exported["name"], parameters)
        assert other.get(f"/api/v1/ai-gateways/{moved}").json()["parameters"] == parameters
        assert other.get(f"/api/v1/ai-gateways/{gateway}").status_code == 404
        assert other.get("/api/v1/skills/management/export.jsonl").content == skills
    first, second = ask(server, API_KEY, gateway), ask(server, key, moved)
    assert second[0] == first[0]
    assert [(note["name"], note["text"]) for note in second[1]] == [
        (note["name"], note["text"]) for note in first[1]
    ]
    assert FACT in second[0]


def _plays(number: int) -> tuple[dict[str, Any], tuple[Play, ...]]:
    """An invoice's values, and how a weak model comes to them: each way it first goes wrong in turn."""
    value = {"number": f"R-{number:04d}", "total": number * 10.5, "paid": number % 2 == 0}
    right = json.dumps(value)
    ways = (
        (says("I cannot find any invoice."), says(right)),
        (says(json.dumps({**value, "number": str(number)})), says(right)),
        (says(f"Sure:\n```json\n{right}\n```"),),
        (says("{}"), says(json.dumps({**value, "total": -1})), says(right)),
    )
    return value, ways[number % len(ways)]


def _metered(server: Server, end_users: list[str], expected: int) -> dict[str, int]:
    """Usage lines of each end user, awaited until there are as many as expected or for a while."""
    deadline = time.monotonic() + 8
    while True:
        with closing(open_connection(server.data / "dragoman.db")) as connection:
            rows = connection.execute("select end_user, count(*) from usage_records group by end_user")
            counts = {user: count for user, count in rows.fetchall() if user in end_users}
        if sum(counts.values()) >= expected or time.monotonic() > deadline:
            return counts
        time.sleep(0.1)


def test_every_one_of_twenty_invoices_is_read_into_valid_json_and_each_attempt_is_billed(
    server: Server, provider: Provider
) -> None:
    validator = Draft202012Validator(INVOICE)
    attempts: dict[str, int] = {}
    with server.client() as client:
        world = World(server, provider, client)
        reader = world.gateway(systemInstruction="Read the invoice.")
        for number in range(1, 21):
            value, plays = _plays(number)
            user, text = f"invoice-{number}", f"Invoice R-{number:04d} over {number * 10.5} EUR."
            read = world.ask(reader, text, plays=plays, response_schema=INVOICE, json_only=True, user=user)
            validator.validate(read)
            assert read == value
            attempts[user] = len(provider.bodies)
            assert attempts[user] == len(plays)
        _, plays = _plays(3)
        told = world.ask(reader, plays=plays, response_schema=INVOICE)["generation_context"]
    lines = [line["quantity"] for line in told["generated_usage"] if line["sku"].endswith(".out")]
    assert lines == [10] * len(plays), "an answer that is not only JSON tells of its attempts itself"
    assert _metered(server, list(attempts), sum(attempts.values())) == attempts
