"""Answers of a provider on their way through the server: on the relay and through the domain alike."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIError, BadRequestError, OpenAI
from tests.e2e.server import API_KEY, Server
from tests.e2e.upstream import MODELS, Upstream

from dragoman.db.sqlite_driver import open_connection

_HELLO: list[Any] = [{"role": "user", "content": "How long is the notice period?"}]
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
_CANCEL_SECONDS = 2.0


@dataclass
class Setup:
    """A server, its provider, and per provider's model a gateway that makes the domain answer."""

    server: Server
    upstream: Upstream
    gateways: dict[str, str]

    def name(self, way: str, model: str) -> str:
        """What to ask for so that the model answers in that way."""
        return model if way == "relay" else self.gateways[model]

    def statuses(self, *, end_user: str) -> list[tuple[int, int]]:
        """Status and completion tokens of what was metered for an end user, awaited for a while."""
        deadline = time.monotonic() + 8
        rows: list[tuple[int, int]] = []
        while not rows and time.monotonic() < deadline:
            time.sleep(0.1)
            with closing(open_connection(self.server.data / "dragoman.db")) as connection:
                rows = connection.execute(
                    "select status, completion_tokens from usage_records where end_user = ?", (end_user,)
                ).fetchall()
        return rows


def _config(upstream: Upstream) -> str:
    return (
        '[models]\ndefault = "plain"\n[models.local]\nenabled = false\n'
        f'[models.providers.fake]\nbase_url = "{upstream.base_url}"\napi_key = "sk-upstream-key"\n'
        f"models = {json.dumps(list(MODELS))}\n"
    )


def _gateway(client: httpx.Client, name: str, **parameters: Any) -> httpx.Response:
    given = {"baseAddress": "@integrated", **parameters}
    return client.post("/api/v1/ai-gateways", json={"name": name, "parameters": given})


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def setup(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    data = tmp_path_factory.mktemp("upstream") / "data"
    settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]'}
    with Server(data, settings, _config(upstream)) as server, server.client() as client:
        gateways = {}
        for model in MODELS:
            made = _gateway(client, f"domain {model}", modelName=model, systemInstruction="Be brief.")
            assert made.status_code == 200, made.text
            gateways[model] = made.json()["aiGatewayId"]
        yield Setup(server, upstream, gateways)


@pytest.fixture
def client(setup: Setup) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{setup.server.base}/v1", api_key=API_KEY, max_retries=0) as client:
        yield client


def _events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


ways = pytest.mark.parametrize("way", ["relay", "domain"])


@ways
def test_an_answer_comes_whole_and_streamed_with_the_providers_usage(
    setup: Setup, client: OpenAI, way: str
) -> None:
    model = setup.name(way, "plain")
    whole = client.chat.completions.create(model=model, messages=_HELLO)
    assert whole.choices[0].message.content == "Three months."
    assert whole.usage is not None
    assert whole.usage.total_tokens == 18
    chunks = list(
        client.chat.completions.create(
            model=model, messages=_HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Three months."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 18


@ways
def test_usage_that_was_not_asked_for_is_metered_and_shown_by_gateways_only(setup: Setup, way: str) -> None:
    body = {"model": setup.name(way, "plain"), "messages": _HELLO, "stream": True, "user": f"quiet-{way}"}
    with setup.server.client() as http:
        events = _events(http.post("/v1/chat/completions", json=body).text)
    assert events[-1] == "[DONE]"
    shown = [event for event in events if isinstance(event, dict) and event.get("usage")]
    assert shown == ([] if way == "relay" else [events[-2]])
    assert setup.statuses(end_user=f"quiet-{way}") == [(200, 7)]


@ways
@pytest.mark.parametrize("model", ["breaks", "reports"])
def test_a_failure_amid_a_stream_is_an_error_event_and_then_the_end(
    setup: Setup, client: OpenAI, way: str, model: str
) -> None:
    asked: dict[str, Any] = {
        "model": setup.name(way, model),
        "messages": _HELLO,
        "stream": True,
        "user": f"{model}-{way}",
    }
    with setup.server.client() as http:
        answer = http.post("/v1/chat/completions", json=asked)
    events = _events(answer.text)
    assert answer.status_code == 200
    assert events[-1] == "[DONE]"
    assert events[-2]["error"]["type"] == "server_error"
    assert "".join(e["choices"][0]["delta"].get("content") or "" for e in events[:-2]) == "Three "
    with pytest.raises(APIError):
        list(client.chat.completions.create(**asked))
    assert setup.statuses(end_user=f"{model}-{way}")[0][0] == 502


@ways
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_cancels_the_provider_and_is_metered_as_gone(
    setup: Setup, way: str, stream: bool
) -> None:
    user = f"gone-{way}-{stream}"
    body = {"model": setup.name(way, "endless"), "messages": _HELLO, "stream": stream, "user": user}
    setup.upstream.expect_hang_up()
    asked = len(setup.upstream.bodies)
    with setup.server.client() as http:
        if stream:
            with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                next(answer.iter_bytes())
        else:
            with pytest.raises(httpx.ReadTimeout):
                http.post("/v1/chat/completions", json=body, timeout=1.0)
    left = time.monotonic()
    assert len(setup.upstream.bodies) == asked + 1
    assert setup.upstream.wait_for_hang_up(_CANCEL_SECONDS) - left < _CANCEL_SECONDS
    rows = setup.statuses(end_user=user)
    assert [status for status, _ in rows] == [499]


@ways
@pytest.mark.parametrize("stream", [True, False])
def test_tools_and_response_format_reach_the_provider_and_calls_come_back(
    setup: Setup, client: OpenAI, way: str, stream: bool
) -> None:
    wanted: dict[str, Any] = {
        "tools": [_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}},
        },
    }
    made: Any = client.chat.completions.create(
        model=setup.name(way, "tools"), messages=_HELLO, stream=stream, **wanted
    )
    if stream:
        deltas = [chunk.choices[0].delta for chunk in made if chunk.choices]
        call = next(delta.tool_calls[0] for delta in deltas if delta.tool_calls)
    else:
        assert made.choices[0].finish_reason == "tool_calls"
        call = made.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city": "Lviv"}')
    sent = setup.upstream.bodies[-1]
    for name, value in wanted.items():
        assert sent[name] == value, name


@ways
def test_a_providers_refusal_keeps_its_meaning_and_loses_the_servers_key(
    setup: Setup, client: OpenAI, way: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model=setup.name(way, "refuses"), messages=_HELLO)
    assert caught.value.code == "context_length_exceeded"
    assert "sk-upstream-key" not in caught.value.message


def test_the_clients_key_stays_here_and_the_servers_goes_to_the_provider(
    setup: Setup, client: OpenAI
) -> None:
    client.chat.completions.create(model="plain", messages=_HELLO)
    head = setup.upstream.headers[-1]
    assert head["authorization"] == "Bearer sk-upstream-key"
    assert API_KEY not in json.dumps(setup.upstream.headers)


def test_the_list_of_models_names_providers_and_gateways(setup: Setup, client: OpenAI) -> None:
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert {name: listed[name] for name in MODELS} == dict.fromkeys(MODELS, "fake")
    assert set(setup.gateways.values()) <= set(listed)
    assert client.models.retrieve("plain").id == "plain"
    gateway = next(iter(setup.gateways.values()))
    with setup.server.client() as http:
        for name in ("House of Ana", "Ana"):
            http.put("/api/v1/accounts", json={"name": name, "parameters": {}}).raise_for_status()
            assert {model.id: model.owned_by for model in client.models.list()}[gateway] == name
            assert client.models.retrieve(gateway).owned_by == name


@pytest.mark.parametrize("plain", [True, False])
def test_a_gateway_calls_an_inner_address_only_while_the_operator_allows_it(
    setup: Setup, tmp_path: Path, plain: bool
) -> None:
    rest = {} if plain else {"systemInstruction": "Be brief."}
    with setup.server.client() as http:
        made = _gateway(
            http,
            f"inner {plain}",
            baseAddress=setup.upstream.base_url,
            modelName="plain",
            apiKey="sk-mine",
            **rest,
        )
        assert made.status_code == 200, made.text
        gateway = made.json()["aiGatewayId"]
        answer = http.post("/v1/chat/completions", json={"model": gateway, "messages": _HELLO})
    assert answer.json()["choices"][0]["message"]["content"] == "Three months."
    assert setup.upstream.headers[-1]["authorization"] == "Bearer sk-mine"


def test_without_leave_no_gateway_reaches_an_inner_address(setup: Setup, tmp_path: Path) -> None:
    inner = {"baseAddress": setup.upstream.base_url, "modelName": "plain"}
    with setup.server.client() as http:
        ids = [
            _gateway(http, f"later {number}", **inner, **rest).json()["aiGatewayId"]
            for number, rest in enumerate(({}, {"systemInstruction": "Be brief."}))
        ]
    setup.server.stop()
    strict = Server(setup.server.data, {"DRAGOMAN_EMBEDDING__PROVIDER": "none"})
    try:
        strict.start()
        asked = len(setup.upstream.bodies)
        with strict.client() as http:
            for gateway in ids:
                refused = http.post("/v1/chat/completions", json={"model": gateway, "messages": _HELLO})
                assert (refused.status_code, refused.json()["error"]["code"]) == (400, "egress_refused"), (
                    refused.text
                )
            assert _gateway(http, "no", **inner).status_code == 400
        assert len(setup.upstream.bodies) == asked
    finally:
        strict.stop()
        setup.server.start()
