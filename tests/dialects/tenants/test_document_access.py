"""A restricted document, over HTTP: for those who may not read it there is none, in every dialect and in the console."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY, EMAIL

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.steward import Steward

SECRET = "The vault opens at nine."


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path_factory.mktemp("access"))) as app:
        yield app


async def _colleague(app: InProcess, email: str) -> httpx.AsyncClient:
    accounts = app.running.services.accounts
    owner = await accounts.admin.caller(EMAIL)
    organisation = (await accounts.user(owner)).organisation
    await accounts.admin.create_user(NewUser(email, organisation, "editor"))
    _, key = await accounts.admin.create_key(email, "test")
    transport = httpx.ASGITransport(app.application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
    return httpx.AsyncClient(
        transport=transport, base_url="http://here", headers={"authorization": f"Bearer {key}"}, timeout=30
    )


async def _at_console(app: InProcess, key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app.application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
    client = httpx.AsyncClient(
        transport=transport, base_url="http://here", headers={"x-console-token": "-"}, timeout=30
    )
    signed = await client.post("/console/api/session", json={"key": key})
    client.headers["x-console-token"] = signed.json()["token"]
    return client


async def test_only_named_groups_find_list_and_read_a_restricted_document(office: InProcess) -> None:
    ann, dan = await _colleague(office, "ann@example.org"), await _colleague(office, "dan@example.org")
    accounts = office.running.services.accounts
    steward = Steward((await accounts.admin.caller(EMAIL)).organisation_id)
    await accounts.groups.create(steward, "Guards")
    await accounts.groups.add(steward, "Guards", "ann@example.org")
    collection = await office.dataset("rules")
    documents = f"/api/v1/collections/{collection}/documents"
    made = (await office.client.put(documents, json={"name": "vault", "contents": SECRET})).json()
    shared = {"dataset": "rules", "enable": True}
    assert (await office.client.post("/user/update-dataset-organization", json=shared)).status_code == 200
    one = f"{documents}/{made['documentId']}"
    assert SECRET in (await dan.get(one)).text
    wanted = {"restricted": True, "groups": ["Guards"]}
    told = await office.client.put(f"{one}/access", json=wanted)
    assert told.json() == {"restricted": True, "users": [], "groups": ["Guards"], "roles": []}

    for client, sees in ((ann, True), (dan, False)):
        answers = [
            await client.get(one),
            await client.get(documents),
            await client.post("/api/v1/query", json={"term": "vault", "collections": [collection]}),
            await client.get(f"/api/v1/collections/{collection}/export.jsonl"),
            await client.post(
                "/server/query", json={"message": "When does the vault open?", "dataset": "all"}
            ),
        ]
        assert [("vault" in one.text.replace("the vault open?", "")) for one in answers] == [sees] * 5
        state = (await client.get(f"/api/v1/collections/{collection}")).json()["state"]
        assert state["total" if "total" in state else next(iter(state))] == int(sees)
    assert (await dan.get(one)).status_code == 404
    assert (await dan.get(f"{one}/access")).status_code == 403
    assert (
        await office.client.put(f"{one}/access", json={"restricted": False, "users": ["x@y"]})
    ).status_code == 400

    console = await _at_console(office, dan.headers["authorization"].removeprefix("Bearer "))
    assert (
        await console.get(f"/console/api/collections/{collection}/documents/{made['documentId']}")
    ).status_code == 404
    assert "vault" not in (await console.get(f"/console/api/collections/{collection}/documents")).text
    own = await _at_console(office, API_KEY)
    shown = await own.get(f"/console/via{one}/access")
    assert shown.json()["groups"] == ["Guards"]


async def test_visitors_of_a_chat_page_are_not_told_what_is_restricted(office: InProcess) -> None:
    collection = await office.dataset("visits")
    documents = f"/api/v1/collections/{collection}/documents"
    texts = {"open": "The museum opens at ten.", "closed": "The museum alarm code is 4711."}
    ids = {
        name: (await office.client.put(documents, json={"name": name, "contents": text})).json()["documentId"]
        for name, text in texts.items()
    }
    await office.client.put(f"{documents}/{ids['closed']}/access", json={"restricted": True})
    gateway = {
        "name": "guide",
        "parameters": {
            "baseAddress": "@integrated",
            "modelName": "extractive",
            "knowledgeCollections": [collection],
        },
    }
    made = (await office.client.post("/api/v1/ai-gateways", json=gateway)).json()["aiGatewayId"]
    client = (
        await office.client.post("/api/v1/web-chat-client", json={"name": "c", "aiGatewayId": made})
    ).json()["id"]
    session = (
        await office.client.post(f"/api/v1/web-chat-client/{client}/sessions", json={"tag": "t"})
    ).json()
    asked = {"model": made, "messages": [{"role": "user", "content": "museum alarm code"}]}
    assert "4711" in (await office.client.post("/v1/chat/completions", json=asked)).text
    page = f"/api/v1/public/chat-clients/{session['accessKey']}/prompt"
    told = await office.nobody.post(page, json={"prompt": "museum alarm code"})
    assert told.status_code == 200, told.text
    assert "4711" not in told.text
    open_one = await office.nobody.post(page, json={"prompt": "When does the museum open?"})
    assert "opens at ten" in open_one.text
