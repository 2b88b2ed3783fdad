"""The main job as a person lives it: documents in by the command line, the same cited answer out through every dialect."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import NotFoundError, OpenAI
from tests.e2e.server import API_KEY, EMAIL, Server

QUESTION = "How long is the notice period?"
HANDBOOK = """# Handbook

## Holidays

Everyone has thirty days of holiday a year. Unused days lapse at the end of March.

## Leaving

The notice period is three months to the end of a quarter. It is the same for both sides.

## Travel

Trips are booked through the office. First class is not reimbursed.
"""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a fresh database of each kind."""
    data = tmp_path_factory.mktemp(f"main-job-{request.param}") / "data"
    settings: dict[str, str] = {}
    if request.param == "postgresql":
        databases = request.getfixturevalue("postgres_server")
        settings["DRAGOMAN_DATABASE__URL"] = databases.url(databases.create())
    with Server(data, settings) as running:
        yield running


@pytest.fixture(scope="module")
def handbook(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a collection with the handbook, put there by the command line while the server runs."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "handbook.md").write_text(HANDBOOK, encoding="utf-8")
    (folder / "prices.csv").write_text("item,price\nscrew,2\nhammer,17\n", encoding="utf-8")
    result = server.command("ingest", str(folder), "--collection", "handbook", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert {event["state"] for event in events if event["event"] == "ended"} == {"indexed"}
    listed = json.loads(server.command("collections", "list", "--json").stdout)
    return next(item["id"] for item in listed if item["name"] == "handbook")


@pytest.fixture(scope="module")
def gateway(server: Server, handbook: str) -> str:
    body = {
        "name": "Handbook",
        "parameters": {
            "baseAddress": "@integrated",
            "modelName": "gpt-4o-mini",
            "knowledgeCollections": [handbook],
        },
    }
    with server.client() as client:
        created = client.post("/api/v1/ai-gateways", json=body)
        assert created.status_code == 200, created.text
        listed = client.get("/api/v1/ai-gateways").json()
    return next(item["slug"] for item in listed if item["id"] == created.json()["aiGatewayId"])


def test_the_command_line_answers_with_document_and_passage(server: Server, handbook: str) -> None:
    answer = server.command("query", QUESTION, "--collection", "handbook").stdout
    assert "three months" in answer
    assert "[1] handbook.md" in answer
    assert "passage" in answer


def test_the_openai_sdk_gets_a_cited_answer_whole_and_streamed(server: Server, gateway: str) -> None:
    client = OpenAI(base_url=f"{server.base}/v1", api_key=API_KEY)
    asked: list = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model=gateway, messages=asked)
    assert "three months" in (whole.choices[0].message.content or "")
    note = whole.choices[0].message.annotations[0]  # pyright: ignore[reportOptionalSubscript]
    assert note.name == "handbook.md"  # pyright: ignore[reportAttributeAccessIssue]
    streamed = client.chat.completions.create(
        model=gateway, messages=asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(streamed)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    client.close()


def test_citations_point_at_the_exact_place_in_the_document(
    server: Server, gateway: str, handbook: str
) -> None:
    with server.client() as client:
        answer = client.post(
            "/v1/chat/completions",
            json={"model": gateway, "messages": [{"role": "user", "content": QUESTION}]},
        ).json()
        for note in answer["choices"][0]["message"]["annotations"]:
            document = client.get(f"/api/v1/collections/{handbook}/documents/{note['document_id']}").json()
            assert document["contents"][note["char_start"] : note["char_end"]] == note["text"]


def test_the_aivax_query_finds_the_passage(server: Server, handbook: str) -> None:
    with server.client() as client:
        found = client.post("/api/v1/query", json={"term": QUESTION, "collections": [handbook]}).json()
    assert found[0]["documentName"] == "handbook.md"
    assert "three months" in found[0]["documentContent"]


def test_the_ask_sage_query_answers_from_the_same_collection(server: Server, handbook: str) -> None:
    body = {"message": QUESTION, "dataset": "handbook", "model": "openai_gpt", "usage": True}
    answer = httpx.post(
        f"{server.base}/server/query",
        json=body,
        headers={"x-access-tokens": API_KEY},
        timeout=60,
        trust_env=False,
    ).json()
    assert answer["status"] == 200
    assert "three months" in answer["message"]
    assert answer["references"].startswith("[1] ")
    assert answer["usage"]["total_tokens"] > 0


def test_a_token_from_an_exchange_works_in_every_dialect(server: Server) -> None:
    exchanged = httpx.post(
        f"{server.base}/user/get-token-with-api-key",
        json={"email": EMAIL.upper(), "api_key": API_KEY},
        trust_env=False,
    ).json()
    token = exchanged["response"]["access_token"]
    for path, headers in (
        ("/v1/models", {"authorization": f"Bearer {token}"}),
        ("/api/v1/collections", {"authorization": token}),
        ("/server/get-datasets", {"x-access-tokens": token}),
    ):
        assert httpx.get(server.base + path, headers=headers, trust_env=False).status_code == 200, path


def test_a_dataset_trained_through_ask_sage_answers_over_openai(server: Server) -> None:
    headers = {"x-access-tokens": API_KEY}
    with httpx.Client(base_url=server.base, headers=headers, timeout=60, trust_env=False) as client:
        assert client.post("/user/add-dataset", json={"dataset": "machines"}).json()["status"] == 200
        body = {"content": "The lathe in hall 4 runs at 1450 revolutions.", "force_dataset": "machines"}
        assert client.post("/server/train", json=body).json()["status"] == 200
        collection = next(
            item["id"] for item in client.get("/api/v1/collections").json() if item["name"] == "machines"
        )
        parameters = {
            "baseAddress": "@integrated",
            "modelName": "gpt-4o-mini",
            "knowledgeCollections": [collection],
        }
        made = client.post("/api/v1/ai-gateways", json={"name": "m", "parameters": parameters}).json()
    with server.client() as client:
        asked = {"role": "user", "content": "How fast does the lathe in hall 4 run?"}
        answer = client.post("/v1/chat/completions", json={"model": made["aiGatewayId"], "messages": [asked]})
    assert "1450" in answer.json()["choices"][0]["message"]["content"]


def test_an_unknown_model_is_refused_in_the_dialects_own_shape(server: Server) -> None:
    with (
        OpenAI(base_url=f"{server.base}/v1", api_key=API_KEY) as client,
        pytest.raises(NotFoundError) as caught,
    ):
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "model_not_found"


def test_a_question_that_the_documents_do_not_answer_is_answered_so(server: Server, handbook: str) -> None:
    answer = server.command(
        "query", "Who painted the ceiling of the chapel?", "--collection", "handbook"
    ).stdout
    assert "do not say" in answer


def test_ingesting_the_same_file_again_does_nothing(server: Server, handbook: str, tmp_path: Path) -> None:
    (tmp_path / "handbook.md").write_text(HANDBOOK, encoding="utf-8")
    result = server.command("ingest", str(tmp_path), "--collection", "handbook", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["outcome"] for event in events if event["event"] == "accepted"] == ["unmodified"]


def test_a_key_made_while_the_server_runs_works_and_ends_within_a_second_of_its_revocation(
    server: Server,
) -> None:
    made = json.loads(
        server.command("keys", "create", "--email", EMAIL, "--label", "temporary", "--json").stdout
    )
    headers = {"authorization": f"Bearer {made['key']}"}
    assert httpx.get(f"{server.base}/v1/models", headers=headers, trust_env=False).status_code == 200
    server.command("keys", "revoke", made["id"])
    deadline = time.monotonic() + 1.0
    status = 200
    while status == 200 and time.monotonic() < deadline:
        status = httpx.get(f"{server.base}/v1/models", headers=headers, trust_env=False).status_code
        time.sleep(0.05)
    assert status == 401


def test_another_users_collections_and_gateways_do_not_exist(
    server: Server, handbook: str, gateway: str
) -> None:
    server.command("users", "create", "--email", "eve@example.org", "--json")
    made = json.loads(server.command("keys", "create", "--email", "eve@example.org", "--json").stdout)
    with server.client(made["key"]) as client:
        missing = "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"
        strange = client.get(f"/api/v1/collections/{handbook}")
        unknown = client.get(f"/api/v1/collections/{missing}")
        assert (strange.status_code, strange.json()) == (unknown.status_code, unknown.json())
        assert client.get("/api/v1/collections").json() == []
        assert client.get("/server/get-datasets").json()["response"] == []
        body = {"model": gateway, "messages": [{"role": "user", "content": "x"}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 404
        assert client.post("/api/v1/query", json={"term": "x", "collections": [handbook]}).status_code == 404
        refused = client.post("/server/query", json={"message": "x", "dataset": "handbook"})
        assert refused.status_code == 400


@pytest.mark.weights
def test_embeddings_are_the_same_unit_vectors_as_numbers_and_as_base64(server: Server) -> None:
    texts = ["The notice period is three months.", "Trips are booked through the office."]
    with OpenAI(base_url=f"{server.base}/v1", api_key=API_KEY) as client:
        packed = client.embeddings.create(model="text-embedding-3-small", input=texts)
        plain = client.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    assert [item.index for item in plain.data] == [0, 1]
    assert plain.usage.total_tokens > 0
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
        assert sum(number * number for number in other.embedding) == pytest.approx(1, abs=1e-3)
    assert plain.data[0].embedding != plain.data[1].embedding
