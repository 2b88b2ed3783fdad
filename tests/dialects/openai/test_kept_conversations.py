"""Conversations of accounts that want theirs kept: one record a conversation, read and removed by its owner only."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.dialects.openai.gateway_server import KEY, MODELS, Play, Provider, World, says
from tests.e2e.server import Server

CONVERSATIONS = "/api/v1/conversations"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    config = f"""
[models]
default = "house"
[models.local]
enabled = false
[models.providers.theirs]
base_url = "{provider.origin}/v1"
api_key = "{KEY}"
models = {json.dumps(MODELS)}
[egress]
allow = ["127.0.0.1"]
"""
    with (
        Server(tmp_path_factory.mktemp("kept") / "data", config=config) as server,
        server.client() as client,
    ):
        yield World(server, provider, client)
    provider.close()


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """An account that wants its conversations kept and has none yet."""
    running.provider.forget()
    switch(running.client, kept=True)
    yield running
    for one in running.client.get(CONVERSATIONS).json():
        running.client.delete(f"{CONVERSATIONS}/{one['id']}").raise_for_status()


def switch(client: httpx.Client, *, kept: bool) -> None:
    body = {"name": "Ana", "parameters": {"allowConversationsLogging": kept}}
    client.put("/api/v1/accounts", json=body).raise_for_status()


def listed(world: World, **params: Any) -> list[dict[str, Any]]:
    answer = world.client.get(CONVERSATIONS, params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def viewed(world: World, conversation_id: str) -> dict[str, Any]:
    return dict(world.client.get(f"{CONVERSATIONS}/{conversation_id}").raise_for_status().json())


def test_a_completion_is_kept_with_what_was_said_and_used(world: World) -> None:
    gateway = world.gateway(systemInstruction="Be brief.")
    tool = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
    world.ask(
        gateway,
        "hi there",
        plays=(says("Hello", " Ana"),),
        user="ana-1",
        metadata={"ticket": "7"},
        tools=[tool],
    )
    (one,) = listed(world, offsetminutes=10)
    assert (one["preview"], one["externalUserId"]) == ("hi there", "ana-1")
    assert (one["tokenCount"], one["errorMessage"]) == (110, None)
    assert {resource["type"] for resource in one["resources"]} == {"AiGateway", "ApiKey"}
    view = viewed(world, one["id"])
    assert view["messages"] == [
        {"role": "user", "content": "hi there"},
        {"role": "assistant", "content": "Hello Ana", "finish_reason": "stop"},
    ]
    assert (view["metadata"], view["tools"][0]["name"]) == ({"ticket": "7"}, "lookup")
    assert view["usageObject"]["prompt_tokens"] == 60
    assert world.client.get(f"{CONVERSATIONS}/{one['id']}/export.json").json() == view


@pytest.mark.parametrize("stream", [False, True])
def test_calls_with_one_key_update_one_conversation_and_are_answered_anew(world: World, stream: bool) -> None:
    gateway = world.gateway(systemInstruction="Be brief.")
    for number, text in enumerate(("one", "two")):
        world.provider.plays.append(says(text))
        answer = world.post(gateway, f"question {number}", idempotency_key="order-1", stream=stream)
        assert text in answer.text
    world.ask(gateway, "another", idempotency_key="order-2")
    kept = {one["preview"]: one["id"] for one in listed(world)}
    assert set(kept) == {"question 1", "another"}
    view = viewed(world, kept["question 1"])
    assert (view["calls"], view["idempotencyKey"]) == (2, "order-1")
    assert view["messages"][-1]["content"] == "two"
    assert view["createdAt"] <= view["updatedAt"]


def test_a_plain_gateway_is_kept_too(world: World) -> None:
    gateway = world.gateway()
    for _ in range(2):
        world.stream(gateway, plays=(says("ok"),))
    assert len(listed(world)) == 2


def test_nothing_is_kept_of_an_account_that_does_not_want_it(world: World) -> None:
    switch(world.client, kept=False)
    world.ask(world.gateway(systemInstruction="x"), "secret", idempotency_key="order-1")
    assert listed(world) == []


def test_a_failure_is_kept_with_its_reason(world: World) -> None:
    status, _ = world.refused(world.gateway(), plays=(Play(status=403),))
    assert status == 502
    (one,) = listed(world)
    assert "provider" in one["errorMessage"].lower()


def test_conversations_are_found_by_what_they_belong_to(world: World) -> None:
    first, second = world.gateway(systemInstruction="x"), world.gateway(systemInstruction="y")
    world.ask(first, "red apples", user="u 1")
    world.ask(second, "green pears", user="u2")

    def found(text: str) -> list[str]:
        return [one["preview"] for one in listed(world, filter=text)]

    assert found("") == ["green pears", "red apples"]
    assert found(f"--gateway {first}") == ["red apples"]
    assert found('--user "u 1"') == ["red apples"]
    assert found("PEARS") == ["green pears"]
    assert found(f"--gateway {first} pears") == []
    assert found("--model theirs") == ["green pears", "red apples"]
    for wrong in ("--gateway", "--colour red", '"open', "--user a --user b"):
        refused = world.client.get(CONVERSATIONS, params={"filter": wrong})
        assert (refused.status_code, refused.json()["details"]["path"]) == (400, "filter")
    assert world.client.get(CONVERSATIONS, params={"offsetminutes": "soon"}).status_code == 400


def test_the_export_has_a_line_a_conversation(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    for text in ("one", "two"):
        world.ask(gateway, text, plays=(Play(({"reasoning_content": "hm"}, "ok")),))
    path = f"{CONVERSATIONS}/management/export.jsonl"
    lines = [json.loads(line) for line in world.client.get(path, params={"period": "1d"}).text.splitlines()]
    assert [line["messages"][0]["content"] for line in lines] == ["one", "two"]
    assert lines[0]["messages"][-1]["reasoning"] == "hm"
    short = world.client.get(path, params={"thinking": "none", "truncate": 20}).text.splitlines()
    assert [[one["role"] for one in json.loads(line)["messages"]] for line in short] == [["assistant"]] * 2
    assert "hm" not in "".join(short)
    assert world.client.get(path, params={"period": "9d"}).status_code == 400


def test_media_are_not_kept(world: World) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    world.ask(world.gateway(systemInstruction="x"), messages=[{"role": "user", "content": [picture]}])
    (one,) = listed(world)
    assert viewed(world, one["id"])["messages"][0]["content"] == [{"type": "image", "url": None}]


def test_somebody_elses_conversation_is_unknown(world: World) -> None:
    world.ask(world.gateway(systemInstruction="x"))
    (one,) = listed(world)
    world.server.command("users", "create", "--email", "eve@example.org")
    made = world.server.command("keys", "create", "--email", "eve@example.org", "--label", "x", "--json")
    with world.server.client(json.loads(made.stdout)["key"]) as eve:
        assert eve.get(CONVERSATIONS).json() == []
        for verb in ("GET", "DELETE"):
            assert eve.request(verb, f"{CONVERSATIONS}/{one['id']}").status_code == 404
    assert viewed(world, one["id"])["id"] == one["id"]
