"""Web chat sessions: opening, finding again by tag, listing, ending."""

from typing import Any

import pytest
from aivax_server import Dialect
from chat_steps import CLIENTS, UNKNOWN, Chat, ask, new_chat, public, said

from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import RootKey


@pytest.fixture
async def chat(dialect: Dialect) -> Chat:
    return await new_chat(dialect)


async def listed(chat: Chat, **params: str) -> list[dict[str, Any]]:
    response = await chat.dialect.client.get(f"{CLIENTS}/{chat.id}/sessions", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_session_has_a_key_that_nobody_guesses_and_an_address_to_talk_at(chat: Chat) -> None:
    made = await chat.session()
    assert set(made) == {"sessionId", "accessKey", "talkUrl"}
    assert made["accessKey"].startswith("wky_")
    assert len(made["accessKey"]) >= 40
    assert made["talkUrl"] == f"http://dragoman/chat/{made['accessKey']}"
    assert (await chat.session())["accessKey"] != made["accessKey"]


async def test_a_tag_finds_its_session_again_with_new_settings(chat: Chat) -> None:
    first = await chat.session(tag="cust-42", expires=600, extraContext="old", metadata={"a": "1"})
    await ask(chat.dialect, first["accessKey"], "hello")
    second = await chat.session(tag="cust-42", expires=7200, extraContext="new")
    assert second == first
    (session,) = await listed(chat)
    assert session["contextPreview"] == "new"
    assert session["metadata"] == {}
    assert session["messageCount"] == 2
    assert session["expiresAt"] > session["createdAt"]
    transcript = (await chat.dialect.visitor.get(public(first["accessKey"], "/transcript.json"))).json()
    assert transcript["context"] == "new"
    other = await chat.session(tag="cust-43")
    assert other["sessionId"] != first["sessionId"]


async def test_a_tag_means_one_client_only(chat: Chat) -> None:
    other = await new_chat(chat.dialect)
    first, second = await chat.session(tag="x"), await other.session(tag="x")
    assert first["sessionId"] != second["sessionId"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"expires": 10}, "expires"),
        ({"expires": 599}, "expires"),
        ({"expires": 7_776_001}, "expires"),
        ({"expires": "1h"}, "expires"),
        ({"expires": None}, "expires"),
        ({"tag": "x" * 129}, "tag"),
        ({"metadata": {"n": 1}}, "metadata.n"),
        ({"contextLocation": "file:///etc/passwd"}, "contextLocation"),
        ({"contextLocation": "nonsense"}, "contextLocation"),
        ({"contextLocation": "http://169.254.169.254/latest"}, "contextLocation"),
        ({"extraContext": 5}, "extraContext"),
    ],
)
async def test_what_does_not_fit_is_named(chat: Chat, body: dict[str, Any], path: str) -> None:
    refused = await chat.dialect.client.post(f"{CLIENTS}/{chat.id}/sessions", json=body)
    assert refused.status_code == 400
    assert refused.json()["details"]["path"] == path
    assert "e+" not in refused.json()["error"], "bounds are written out"
    assert await listed(chat) == []


@pytest.mark.parametrize("seconds", [600, 7_776_000, 600.0])
async def test_the_bounds_themselves_are_taken(chat: Chat, seconds: float) -> None:
    assert (await chat.session(expires=seconds))["sessionId"]


async def test_the_list_is_filtered_by_key_context_tag_and_id(chat: Chat) -> None:
    ana = await chat.session(tag="ana", extraContext="Gold customer")
    bob = await chat.session(tag="bob")
    for wanted in ("AN", "gold", ana["accessKey"], ana["sessionId"]):
        assert [one["id"] for one in await listed(chat, filter=wanted)] == [ana["sessionId"]], wanted
    assert [one["tagName"] for one in await listed(chat)] == ["bob", "ana"]
    assert [one["sessionKey"] for one in await listed(chat)] == [bob["accessKey"], ana["accessKey"]]
    assert await listed(chat, filter=ana["accessKey"][:-1]) == []
    assert len(await listed(chat, limit="1")) == 1


async def test_the_list_counts_messages_and_tokens(chat: Chat) -> None:
    key = await chat.key()
    assert (await listed(chat))[0]["lastMessage"] is None
    usage = (await ask(chat.dialect, key, "hello there")).json()["usage"]
    (session,) = await listed(chat)
    assert (session["messageCount"], session["tokenCount"]) == (2, usage["totalTokens"])
    assert session["lastMessage"] >= session["createdAt"]


async def test_ending_a_session_removes_what_was_said(chat: Chat) -> None:
    made = await chat.session(tag="ana")
    await ask(chat.dialect, made["accessKey"], "hello")
    path = f"{CLIENTS}/{chat.id}/sessions/{made['sessionId']}"
    assert (await chat.dialect.client.delete(path)).json() == {"message": "Session ended and deleted"}
    assert (await chat.dialect.client.delete(path)).status_code == 404
    assert (await chat.dialect.visitor.get(public(made["accessKey"]))).status_code == 422
    again = await chat.session(tag="ana")
    assert again["sessionId"] != made["sessionId"]
    assert await said(chat.dialect, again["accessKey"]) == []


async def test_a_session_belongs_to_its_client(chat: Chat) -> None:
    made, other = await chat.session(), await new_chat(chat.dialect)
    foreign = await chat.dialect.client.delete(f"{CLIENTS}/{other.id}/sessions/{made['sessionId']}")
    assert foreign.status_code == 404
    assert (await chat.dialect.client.delete(f"{CLIENTS}/{chat.id}/sessions/{UNKNOWN}")).status_code == 404
    assert (await chat.dialect.client.delete(f"{CLIENTS}/{chat.id}/sessions/x")).status_code == 400
    stranger = await chat.dialect.stranger.delete(f"{CLIENTS}/{chat.id}/sessions/{made['sessionId']}")
    assert stranger.status_code == 404
    assert len(await listed(chat)) == 1


async def test_sessions_that_expired_long_ago_are_removed_with_what_was_said(chat: Chat) -> None:
    key = await chat.key()
    await ask(chat.dialect, key, "hello")
    now = [now_ms()]
    service = ChatSessionsService(
        chat.dialect.database, RootKey(b"k" * 32).sealer("chat"), keep_days=2, clock_ms=lambda: now[0]
    )
    assert await service.forget_expired() == 0
    now[0] += 3_600_000 + 2 * 86_400_000 - 60_000
    assert await service.forget_expired() == 0
    assert await said(chat.dialect, key) != []
    now[0] += 120_000
    assert await service.forget_expired() == 1
    assert await listed(chat) == []
    assert (await chat.dialect.visitor.get(public(key))).status_code == 422
