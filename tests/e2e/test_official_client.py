"""The official client and plain HTTP against a real server: every name of a model, every form of a credential."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from openai import OpenAI
from tests.dialects.openai.gateway_server import KEY, MODELS, Provider, World, says
from tests.e2e.server import API_KEY, Server

HELLO: Any = [{"role": "user", "content": "hello"}]
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
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
[prices.models.house]
input = 2
output = 10
[chat]
ping_seconds = 0.1
"""
    with (
        Server(tmp_path_factory.mktemp("official") / "data", config=config) as server,
        server.client() as client,
    ):
        yield World(server, provider, client)
    provider.close()


@pytest.fixture
def sdk(world: World) -> Iterator[OpenAI]:
    world.provider.forget()
    with OpenAI(api_key=API_KEY, base_url=f"{world.server.base}/v1", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def names(world: World) -> dict[str, str]:
    """Every name that leads to the same model: two of a plain gateway, two of one with a prompt, and the model's."""
    found: dict[str, str] = {"model": "@theirs/house"}
    for kind, more in (("plain", {}), ("prompted", {"systemInstruction": "Be brief."})):
        gateway = world.gateway(baseAddress="@integrated", modelName="@theirs/house", **more)
        found[f"{kind} id"] = gateway
        found[f"{kind} slug"] = world.client.get(f"/api/v1/ai-gateways/{gateway}").json()["slug"]
    return found


NAMED = ("model", "plain id", "plain slug", "prompted id", "prompted slug")


@pytest.mark.parametrize("named", NAMED)
def test_an_answer_counts_and_prices_the_same_by_every_name(
    world: World, sdk: OpenAI, names: dict[str, str], named: str
) -> None:
    # The second answer takes the way of those that are known by then.
    for _ in range(2):
        world.provider.plays.append(says("Hello", " you"))
        answer = sdk.chat.completions.create(model=names[named], messages=HELLO)
        assert answer.choices[0].message.content == "Hello you"
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        cached = answer.usage.prompt_tokens_details.cached_tokens
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, cached) == (60, 10, 40)
        assert answer.usage.total_tokens == 60 + 10 + 40
        told: dict[str, Any] = answer.model_dump()
        lines = told["generation_context"]["generated_usage"]
        assert sum(line["amount"] for line in lines) == pytest.approx((100 * 2 + 10 * 10) / 1e6)
        assert told["model"] == "house"


@pytest.mark.parametrize("named", NAMED)
def test_a_stream_ends_with_usage_by_every_name(
    world: World, sdk: OpenAI, names: dict[str, str], named: str
) -> None:
    for _ in range(2):
        world.provider.plays.append(says("Hello", " you"))
        stream = sdk.chat.completions.create(
            model=names[named], messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
        assert text == "Hello you"
        assert [one.usage.total_tokens for one in chunks if one.usage is not None] == [110]
        assert chunks[-1].model_dump()["generation_context"]["generated_usage"]


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/models", "/api/v1/collections"])
def test_a_key_is_taken_in_every_published_form(world: World, path: str) -> None:
    basic = base64.b64encode(f"anybody:{API_KEY}".encode()).decode()
    forms: list[dict[str, Any]] = [
        {"headers": {"authorization": f"Bearer {API_KEY}"}},
        {"headers": {"authorization": API_KEY}},
        {"headers": {"authorization": f"Basic {basic}"}},
        {"params": {"api-key": API_KEY}},
    ]
    with httpx.Client(base_url=world.server.base, trust_env=False) as client:
        assert [client.get(path, **form).status_code for form in forms] == [200] * 4
        wrong = {"authorization": "Bearer sk-wrong"}
        refused = client.get(path, headers=wrong, params={"api-key": API_KEY})
        assert refused.status_code == 401


def test_a_key_that_has_ended_is_refused_in_both_shapes(world: World) -> None:
    made = world.client.post("/api/v1/accounts/api-key", json={"label": "short", "duration": 1}).json()
    key = made["grantKey"]
    with world.server.client(key) as client:
        assert client.get("/v1/models").status_code == 200
        with closing(sqlite3.connect(world.server.data / "dragoman.db")) as database, database:
            database.execute("update api_keys set expires_at = 1 where label = 'short'")
        # Making another key has the server read all of them anew.
        world.client.post("/api/v1/accounts/api-key", json={"label": "other", "duration": 1})
        ended = client.get("/v1/models")
        assert (ended.status_code, set(ended.json()["error"])) == (401, {"message", "type", "param", "code"})
        ended = client.get("/api/v1/collections")
        assert ended.status_code == 401
        assert isinstance(ended.json()["error"], str)
        assert "details" in ended.json()


SPOILED: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("POST", COMPLETIONS, {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    ("POST", COMPLETIONS, {"content": b"[]"}, 400),
    ("POST", COMPLETIONS, {"json": {"messages": HELLO}}, 400),
    ("POST", COMPLETIONS, {"json": {"model": "house"}}, 400),
    ("POST", COMPLETIONS, {"json": {"model": "nobody", "messages": HELLO}}, 404),
    ("POST", COMPLETIONS, {"data": {"model": "house"}}, 400),
    ("GET", COMPLETIONS, {}, 405),
    ("GET", "/v1/nowhere", {}, 404),
    ("DELETE", "/v1/models", {}, 405),
    ("POST", "/v1/embeddings", {"content": b"{"}, 400),
    ("POST", "/api/v1/chat/completions", {"content": b"{"}, 400),
)


@pytest.mark.parametrize(("verb", "path", "sent", "status"), SPOILED)
def test_openai_shaped_operations_refuse_in_openais_shape(
    world: World, verb: str, path: str, sent: dict[str, Any], status: int
) -> None:
    refused = world.client.request(verb, path, **sent)
    assert refused.status_code == status, refused.text
    error = refused.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]


ADMIN_SPOILED: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("POST", "/api/v1/collections", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    ("POST", "/api/v1/query", {"content": b"[]"}, 400),
    ("POST", "/api/v1/ai-gateways", {"data": {"name": "x"}}, 415),
    ("POST", "/api/v1/skills", {"content": b"<a/>", "headers": {"content-type": "text/xml"}}, 415),
    ("GET", "/api/v1/nowhere", {}, 404),
    ("PATCH", "/api/v1/collections", {}, 405),
    ("GET", "/api/v1/collections/not-a-uuid", {}, 400),
)


@pytest.mark.parametrize(("verb", "path", "sent", "status"), ADMIN_SPOILED)
@pytest.mark.parametrize("envelope", ["bare", "wrapped"])
def test_the_other_operations_refuse_in_their_own_shape(
    world: World, verb: str, path: str, sent: dict[str, Any], status: int, envelope: str
) -> None:
    headers = {**sent.get("headers", {}), "x-response-envelope": envelope}
    refused = world.client.request(verb, path, **{**sent, "headers": headers})
    assert refused.status_code == status, refused.text
    assert set(refused.json()) == {"error", "details"}
    assert isinstance(refused.json()["error"], str)


@pytest.mark.parametrize("path", [COMPLETIONS, "/v1/models", "/api/v1/collections"])
def test_scripts_of_pages_elsewhere_may_read_the_answers(world: World, path: str) -> None:
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    preflight = world.client.options(
        path, headers={**asked, "access-control-request-headers": "authorization"}
    )
    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    method = "POST" if path == COMPLETIONS else "GET"
    refused = httpx.request(
        method, world.server.base + path, headers={"origin": "https://page.example"}, json={}, trust_env=False
    )
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in refused.headers
    known = world.client.request(method, path, headers={"origin": "https://page.example"}, json={})
    assert known.headers.get_list("access-control-allow-origin") == ["*"]
