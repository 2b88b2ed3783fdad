"""Chats, shares, keys, personas and limits over HTTP, among colleagues and strangers."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app
from tests.dialects.asksage.colleagues import colleague
from tests.e2e.in_process import OTHER_EMAIL, InProcess
from tests.e2e.server import EMAIL

from dragoman.adapters.models.scripted import Rule, Script

BOB, CEM = "bob@example.org", "cem@example.org"


@dataclass
class People:
    """Ana owns the organisation that Bob and Cem are in; Eve is a stranger."""

    app: InProcess
    scripted: Scripted
    ana: httpx.AsyncClient
    bob: httpx.AsyncClient
    cem: httpx.AsyncClient
    eve: httpx.AsyncClient


@pytest.fixture(scope="module")
async def people(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[People]:
    folder = tmp_path_factory.mktemp("people") / "data"
    with pytest.MonkeyPatch.context() as patch:
        async with (
            scripted_app(folder, patch, Script(rules=(Rule(match="Hello", text="Good day."),))) as scripted,
            AsyncExitStack() as stack,
        ):
            app = scripted.app
            bob, cem = await colleague(app, stack, BOB), await colleague(app, stack, CEM)
            yield People(app, scripted, app.client, bob, cem, app.stranger)


async def call(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def dataset(people: People, name: str, text: str = "The harbour master is called Ilse.") -> str:
    await call(people.ana, "/user/add-dataset", dataset=name)
    await call(people.ana, "/server/train", content=text, force_dataset=name)
    listed = (await call(people.ana, "/server/get-datasets"))["response"]
    return next(full for full in listed if full.endswith(f"_{name}_content"))


async def test_a_chat_is_kept_read_changed_and_removed(people: People) -> None:
    made = await call(people.ana, "/user/create-chat-session", title="Plans")
    chat = {"session_id": made["session_id"]}
    await call(people.ana, "/user/append-chat", 200, **chat, message="How far is it?")
    await call(people.ana, "/user/append-chat", 200, **chat, message={"user": "gpt", "message": "Ten miles."})
    read = (await call(people.ana, "/user/get-chat-session", 200, **chat))["response"]
    assert [turn["user"] for turn in read["chats"]] == ["me", "gpt"]
    renamed = await call(people.ana, "/user/update-chat-session-title", 200, **chat, new_title="Routes")
    assert renamed == {"status": 200, "response": "Title updated"}
    data = [{"user": "me", "message": "Again", "references": "", "id": "1"}]
    replaced = await call(
        people.ana, "/user/update-chat-session-json", 200, **chat, title="Ways", json_data=data
    )
    assert replaced["response"] == "Chat content updated"
    listed = await call(people.ana, "/user/get-chats")
    assert isinstance(listed["response"], str)
    decoded = json.loads(listed["response"])
    assert {"chats", "buttons"} == set(decoded)
    mine = next(one for one in decoded["chats"] if one["session_id"] == chat["session_id"])
    assert (mine["title"], mine["chats"]) == ("Ways", data)
    await call(people.ana, "/user/delete-chat-session", 200, **chat)
    await call(people.ana, "/user/get-chat-session", 400, **chat)


async def test_chats_of_one_title_grow_together(people: People) -> None:
    turns = [{"user": "me", "message": "a"}, {"user": "gpt", "message": "b"}]
    for _ in range(2):
        await call(people.ana, "/user/append-chat", chat_title="Growing", chats={"chats": turns})
    decoded = json.loads((await call(people.ana, "/user/get-chats"))["response"])
    found = [one for one in decoded["chats"] if one["title"] == "Growing"]
    assert [len(one["chats"]) for one in found] == [4]
    await call(people.ana, "/user/append-chat", 400, chat_title="x" * 21, chats={"chats": turns})
    await call(people.ana, "/user/append-chat", 400, chat_title="ok", chats={"chats": [5]})


async def test_the_outcome_of_chat_updates_stands_in_the_body(people: People) -> None:
    fresh = str(uuid4())
    missing = await call(people.ana, "/user/update-chat-session-title", session_id=fresh, new_title="x")
    assert (missing["response"], missing["status"]) == ("Session not found", 404)
    empty = await call(people.ana, "/user/update-chat-session-title", session_id=fresh)
    assert (empty["response"], empty["status"]) == ("Missing data", 400)
    odd = await call(people.ana, "/user/update-chat-session-json", session_id=fresh, json_data={"a": 1})
    assert (odd["response"], odd["status"]) == ("Invalid input", 400)
    wrong = await call(people.ana, "/user/update-chat-session-json", session_id="5", json_data=[])
    assert (wrong["response"], wrong["status"]) == ("Invalid session_id", 400)
    made = await call(people.ana, "/user/update-chat-session-json", session_id=fresh)
    assert made["status"] == 200
    read = (await call(people.ana, "/user/get-chat-session", session_id=fresh))["response"]
    assert (read["title"], read["chats"]) == ("New Chat", [])
    nobody = await people.app.nobody.post("/user/update-chat-session-json", json={"session_id": fresh})
    assert nobody.status_code == 400


async def test_a_copy_of_a_chat_goes_to_a_colleague_only(people: People) -> None:
    made = await call(people.ana, "/user/create-chat-session", title="Secret")
    chat = made["session_id"]
    copied = await call(people.ana, "/user/copy-chat", chat_id=chat, email=BOB)
    assert (copied["response"], copied["status"]) == ("Chats copied", 200)
    decoded = json.loads((await call(people.bob, "/user/get-chats"))["response"])
    assert [one["title"] for one in decoded["chats"]] == ["Copy of Secret"]
    for client, email in ((people.ana, OTHER_EMAIL), (people.ana, "x@y.example"), (people.bob, EMAIL)):
        refused = await call(client, "/user/copy-chat", chat_id=chat, email=email)
        assert refused["status"] == 400


@pytest.mark.parametrize("who", ["bob", "eve"])
async def test_nobody_reads_or_changes_anothers_chat(people: People, who: str) -> None:
    made = await call(people.ana, "/user/create-chat-session", title="Mine")
    chat = {"session_id": made["session_id"]}
    other: httpx.AsyncClient = getattr(people, who)
    await call(other, "/user/get-chat-session", 400, **chat)
    await call(other, "/user/append-chat", 400, **chat, message="x")
    await call(other, "/user/delete-chat-session", 400, **chat)
    assert (await call(other, "/user/update-chat-session-title", 200, **chat, new_title="x"))["status"] == 404
    # Whoever writes under an id has a chat of that id of their own.
    await call(other, "/user/update-chat-session-json", 200, **chat, title="x")
    assert (await call(people.ana, "/user/get-chat-session", 200, **chat))["response"]["title"] == "Mine"


async def test_a_shared_dataset_is_searched_but_not_changed_until_more_is_granted(people: People) -> None:
    full = await dataset(people, "harbour")
    question = {"message": "Who is the harbour master?", "dataset": full, "model": "extractive"}
    await call(people.bob, "/server/query", 400, **question)
    assert await call(people.ana, "/user/assign-dataset", dataset="harbour", email=BOB.upper()) == {
        "status": 200,
        "response": "OK",
    }
    assert full in (await call(people.bob, "/server/get-datasets"))["response"]
    assert "Ilse" in (await call(people.bob, "/server/query", 200, **question))["references"]
    found = await people.bob.get("/api/v1/collections")
    shared = next(one["id"] for one in found.json() if one["name"] == "harbour")
    hits = await people.bob.post("/api/v1/query", json={"term": "harbour master", "collections": [shared]})
    assert "Ilse" in hits.text
    await call(people.bob, "/server/train", 400, content="Forged.", force_dataset=full)
    await call(people.bob, "/user/assign-dataset", 403, dataset=full, email=CEM)
    await call(people.ana, "/user/update-permission-dataset", dataset=full, email=BOB, permissions="edit")
    await call(people.bob, "/server/train", content="Its depth is nine metres.", force_dataset=full)
    await call(people.bob, "/user/get-dataset-assignments", 403, dataset=full)
    await call(people.ana, "/user/update-permission-dataset", dataset=full, email=BOB, permissions="admin")
    await call(people.bob, "/user/assign-dataset", dataset=full, email=CEM)
    listed = (await call(people.bob, "/user/get-dataset-assignments", dataset=full))["response"]
    assert [(one["email"], one["permissions"]) for one in listed] == [(BOB, "admin"), (CEM, "read")]
    held = (await call(people.cem, "/user/get-datasets-with-permissions"))["response"]
    assert held == [{"dataset": full, "classification": "Unclassified", "permissions": "read"}]
    assert (await call(people.bob, "/user/delete-dataset", 400, dataset=full))["status"] == 400
    await call(people.ana, "/user/deassign-dataset", dataset=full, email=BOB)
    await call(people.bob, "/server/query", 400, **question)
    assert (await call(people.cem, "/server/query", 200, **question))["references"]
    await call(people.cem, "/user/deassign-dataset", dataset=full, email=CEM)
    assert (await call(people.cem, "/server/get-datasets"))["response"] == []


async def test_strangers_are_no_account_and_see_no_dataset(people: People) -> None:
    full = await dataset(people, "closed")
    for email in (OTHER_EMAIL, "nobody@nowhere.example"):
        for path in ("assign-dataset", "deassign-dataset", "update-permission-dataset"):
            answer = await call(people.ana, f"/user/{path}", dataset="closed", email=email)
            assert (answer["response"], answer["status"]) == ("No account.", 410)
    for path, body in (
        ("assign-dataset", {"email": OTHER_EMAIL}),
        ("get-dataset-assignments", {}),
        ("update-dataset-organization", {"enable": True}),
        ("get-dataset-organization", {}),
    ):
        refused = await call(people.eve, f"/user/{path}", 400, dataset=full, **body)
        assert "not found" in refused["response"]
    assert (await call(people.eve, "/server/get-dataset-info", 404, dataset=full))["status"] == 404
    assert (await call(people.eve, "/user/get-dataset-permissions", dataset=full))["response"] is False
    info = (await call(people.ana, "/server/get-dataset-info", dataset="closed"))["response"]
    assert (info["name"], info["classification"], info["is_tabular"]) == (full, "Unclassified", False)


async def test_an_opened_dataset_is_the_whole_organisations(people: People) -> None:
    full = await dataset(people, "open")
    await call(people.ana, "/user/update-dataset-organization", dataset=full, enable=True)
    assert (await call(people.ana, "/user/get-dataset-organization", dataset=full))["response"] == 1
    assert full in (await call(people.cem, "/server/get-datasets"))["response"]
    assert full not in (await call(people.eve, "/server/get-datasets"))["response"]
    await call(people.cem, "/user/update-dataset-organization", 403, dataset=full, enable=False)
    await call(people.ana, "/user/update-dataset-organization", dataset=full, enable=False)
    assert full not in (await call(people.cem, "/server/get-datasets"))["response"]


async def test_a_key_is_made_shown_once_used_and_ended(people: People) -> None:
    made = (await call(people.bob, "/user/user-api-key", name="notebook"))["response"]
    assert len(made["api_key"]) == 64
    listed = (await call(people.bob, "/user/get-user-api-keys"))["response"]
    mine = next(one for one in listed if one["id"] == made["id"])
    assert mine["name"] == "notebook"
    assert made["api_key"] not in json.dumps(listed)
    used = await people.app.nobody.get("/server/get-models", headers={"x-access-tokens": made["api_key"]})
    assert used.status_code == 200
    stolen = await people.eve.request("DELETE", "/user/user-api-key", json={"id": made["id"]})
    assert stolen.status_code == 400
    ended = await people.bob.request("DELETE", "/user/user-api-key", json={"id": made["id"]})
    assert ended.status_code == 200
    used = await people.app.nobody.get("/server/get-models", headers={"x-access-tokens": made["api_key"]})
    assert used.status_code == 400
    await call(people.bob, "/user/user-api-key", 400)


async def test_an_own_persona_answers_in_every_dialect_until_it_is_removed(people: People) -> None:
    body = {"name": "Pirate", "description": "Arr", "prompt": "Speak as a pirate."}
    number = (await call(people.bob, "/user/add-persona", 200, **body))["id"]
    assert number >= 1000
    listed = (await call(people.bob, "/server/get-personas"))["response"]
    mine = next(one for one in listed if one["id"] == number)
    assert {name: mine[name] for name in body} == body
    assert mine["public"] is False
    for persona in (number, str(number), "pirate"):
        await call(people.bob, "/server/query", message="Hello", persona=persona, dataset="none")
        assert people.scripted.model.requests[-1].messages[0].text == "Speak as a pirate."
    changed = await call(people.bob, "/user/update-persona", id=number, prompt="Speak as a monk.")
    assert changed["id"] == number
    await people.bob.post(
        "/v1/chat/completions", json={"model": "Pirate", "messages": [{"role": "user", "content": "Hello"}]}
    )
    assert people.scripted.model.requests[-1].messages[0].text.startswith("Speak as a monk.")
    for other in (people.ana, people.eve):
        await call(other, "/server/query", message="Hello", persona=number, dataset="none")
        assert "monk" not in people.scripted.model.requests[-1].messages[0].text
        await call(other, "/user/update-persona", 400, id=number, prompt="Mine now.")
        await call(other, "/user/delete-persona", 400, id=number)
    await call(people.bob, "/user/update-persona", 400, id=1, prompt="No.")
    await call(people.bob, "/user/add-persona", 400, name="Ask Sage", prompt="No.")
    await call(people.bob, "/user/delete-persona", id=number)
    assert number not in [one["id"] for one in (await call(people.bob, "/server/get-personas"))["response"]]


async def test_agents_are_listed_and_carried_out_by_number(people: People) -> None:
    body = {"name": "Guide", "prompt": "You guide through {{town}}."}
    number = (await call(people.cem, "/user/add-persona", 200, **body))["id"]
    listed = await call(people.cem, "/server/list-agents")
    assert (listed["count"], listed["response"][0]["id"], listed["response"][0]["name"]) == (
        1,
        number,
        "Guide",
    )
    whole = await call(
        people.cem,
        "/server/execute-agent",
        agent_id=number,
        message="Hello {{town}}",
        streaming=False,
        variables={"town": "Bonn"},
        conversation_history=[{"user": "me", "message": "Before"}, {"user": "system", "message": "Yes"}],
    )
    assert whole["execution_status"] == "completed"
    assert whole["response"]["response"] == "Good day."
    assert whole["workflow"]["uuid"] == listed["response"][0]["uuid"]
    asked = people.scripted.model.requests[-1].messages
    assert asked[0].text == "You guide through Bonn."
    assert asked[-1].text == "Hello Bonn"
    streamed = await people.cem.post("/server/execute-agent", json={"agent_id": number, "message": "Hello"})
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert [events[0]["event"], events[-1]["event"]] == ["workflow_started", "agent_response"]
    assert events[-1]["data"]["response"]["response"] == "Good day."
    await call(people.eve, "/server/execute-agent", 404, agent_id=number, message="Hello")
    assert (await people.app.nobody.get("/server/list-agents")).status_code == 401


async def test_limits_are_seen_set_and_kept_to_in_every_dialect(people: People) -> None:
    members = (await call(people.ana, "/user/admin-get-all-users-with-tokens", sort_by="email"))["response"]
    assert [one["email"] for one in members] == [EMAIL, BOB, CEM]
    cem = next(one["id"] for one in members if one["email"] == CEM)
    await call(people.bob, "/user/admin-get-all-users-with-tokens", 403)
    await call(people.bob, "/user/admin-update-user-tokens", 403, id=cem, tokens=1)
    await call(people.eve, "/user/admin-update-user-tokens", 400, id=cem, tokens=1)
    await call(people.cem, "/server/query", message="Hello", dataset="none")
    await call(people.ana, "/user/admin-update-user-tokens", id=cem, tokens=1)
    refused = await call(people.cem, "/server/query", 429, message="Hello", dataset="none")
    assert "used up" in refused["response"]
    turn = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
    assert (await people.cem.post("/v1/chat/completions", json=turn)).status_code == 429
    assert (
        await people.cem.post("/anthropic/v1/messages", json={**turn, "max_tokens": 5})
    ).status_code == 429
    assert (await call(people.cem, "/server/count-monthly-tokens-left-with-org"))["response"] == 0
    await call(people.ana, "/user/admin-update-user-tokens", id=cem, tokens=-1)
    await call(people.cem, "/server/query", message="Hello", dataset="none")
    await call(people.ana, "/user/admin-update-user-train-tokens", id=cem, tokens=0)
    await call(people.cem, "/user/add-dataset", dataset="late")
    await call(people.cem, "/server/train", 429, content="Too late.", force_dataset="late")
    assert (await call(people.cem, "/server/get-all-files-ingested"))["files"] == []
    await call(people.ana, "/user/admin-update-user-train-tokens", id=cem, tokens=-1)


async def test_links_are_checked_through_the_guard(people: People) -> None:
    inner = await call(people.ana, "/server/check-link-status", link="http://127.0.0.1:1/")
    assert inner["response"] == "error"
    text = "See http://127.0.0.1:1/a and http://127.0.0.1:1/b."
    told = await call(people.ana, "/server/analyze-all-links", content=text)
    assert told["error_count"] == 2
    assert "http://127.0.0.1:1/a: " in told["response"]
    assert (await call(people.ana, "/server/analyze-all-links", content="None."))["error_count"] == 0


async def test_errors_may_stand_in_the_body_alone(people: People) -> None:
    answer = await people.ana.post("/server/query", json={}, headers={"x-error-mode": "body"})
    assert (answer.status_code, answer.json()["status"]) == (200, 400)
