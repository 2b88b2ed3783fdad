"""A viewer uses what there is and is refused, in each dialect's own shape, to make or change anything."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import EMAIL

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.steward import Steward


@dataclass
class Office:
    """The owner's application, and a viewer of the same organisation."""

    app: InProcess
    viewer: httpx.AsyncClient
    steward: Steward


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Office]:
    async with in_process(settings_in(tmp_path_factory.mktemp("viewers"))) as app:
        accounts = app.running.services.accounts
        owner = await accounts.admin.caller(EMAIL)
        organisation = (await accounts.user(owner)).organisation
        await accounts.admin.create_user(NewUser("vic@example.org", organisation, "viewer"))
        _, key = await accounts.admin.create_key("vic@example.org", "test")
        transport = httpx.ASGITransport(app.application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://here", headers=headers, timeout=30
        ) as viewer:
            yield Office(app, viewer, Steward(owner.organisation_id))


_REFUSED: list[tuple[str, str, Any]] = [
    ("POST", "/api/v1/collections", {"collectionName": "mine"}),
    (
        "POST",
        "/api/v1/ai-gateways",
        {"name": "g", "parameters": {"baseAddress": "@integrated", "modelName": "extractive"}},
    ),
    ("POST", "/api/v1/skills", {"slug": "mine", "instructions": "x", "options": {}}),
    ("POST", "/user/add-dataset", {"dataset": "mine"}),
    ("POST", "/user/add-persona", {"name": "Mine", "description": "d", "prompt": "p"}),
    ("POST", "/server/add-mcp-server", {"server_name": "mine", "server_url": "https://example.org/mcp"}),
]


@pytest.mark.parametrize(("verb", "path", "body"), _REFUSED, ids=lambda one: str(one))
async def test_a_viewer_makes_and_deletes_nothing(office: Office, verb: str, path: str, body: Any) -> None:
    answer = await office.viewer.request(verb, path, json=body)
    assert answer.status_code == 403, answer.text
    assert "viewer" in answer.text
    told = answer.json()
    assert told["status"] == 403 if not path.startswith("/api/v1") else "error" in told


async def test_a_viewer_searches_what_a_group_was_given_and_no_longer_when_out_of_it(office: Office) -> None:
    owner, accounts = office.app.client, office.app.running.services.accounts
    assert (await owner.post("/user/add-dataset", json={"dataset": "Prices"})).status_code == 200
    taught = {"context": "prices", "content": "The gizmo costs ten guilders.", "force_dataset": "Prices"}
    assert (await owner.post("/server/train", json=taught)).status_code == 200
    await accounts.groups.create(office.steward, "Sales")
    await accounts.groups.add(office.steward, "Sales", "vic@example.org")
    listed = (await owner.get("/server/get-datasets")).json()["response"]
    dataset = next(name for name in listed if "Prices" in name)

    async def seen() -> list[Any]:
        return (await office.viewer.get("/server/get-datasets")).json()["response"]

    assert dataset not in await seen()
    given = {"dataset": dataset, "group": "Sales", "permissions": "edit"}
    assert (await owner.post("/user/assign-dataset-to-group", json=given)).status_code == 200
    groups = (await owner.post("/user/get-dataset-groups", json={"dataset": dataset})).json()["response"]
    assert [(one["group"], one["permissions"]) for one in groups] == [("Sales", "edit")]
    assert dataset in await seen()
    question = {"message": "What does the gizmo cost?", "dataset": dataset, "model": "extractive"}
    answer = (await office.viewer.post("/server/query", json=question)).json()
    assert "ten guilders" in answer["message"]
    # Editing was granted, but the role does not include it.
    refused = await office.viewer.post("/server/train", json=taught | {"force_dataset": dataset})
    assert refused.status_code == 403
    await accounts.groups.remove(office.steward, "Sales", "vic@example.org")
    assert dataset not in await seen()
    assert (
        await office.viewer.post("/user/get-dataset-groups", json={"dataset": dataset})
    ).status_code >= 400


async def test_a_viewer_keeps_own_keys_secrets_and_chats(office: Office) -> None:
    viewer = office.viewer
    assert (await viewer.post("/user/set-secret", json={"name": "s", "value": "v"})).status_code == 200
    assert (await viewer.post("/user/create-chat-session", json={"title": "Hello"})).status_code == 200
    asked = {"model": "extractive", "messages": [{"role": "user", "content": "hello"}]}
    assert (await viewer.post("/v1/chat/completions", json=asked)).status_code == 200
