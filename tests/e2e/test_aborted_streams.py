"""Whoever hangs up amid an answer is charged for what was produced by then, in every dialect's streaming."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.server import Server
from tests.e2e.upstream import Upstream

_QUESTION = "How long is the notice period?"
_SAID = [{"role": "user", "content": _QUESTION}]
_CONFIG = """
[models]
default = "endless"
extractive_for_grounded = "never"
[models.local]
enabled = false
[models.providers.fake]
base_url = "{base}"
models = ["endless"]
[embedding]
provider = "none"
[egress]
allow = ["127.0.0.1"]
"""
_STREAMS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "fast line": ("/v1/chat/completions", {"model": "endless", "messages": _SAID, "stream": True}, {}),
    "chat completions": (
        "/v1/chat/completions",
        {"model": "{gateway}", "messages": _SAID, "stream": True},
        {},
    ),
    "responses": ("/v1/responses", {"model": "endless", "input": _QUESTION, "stream": True}, {}),
    "messages": (
        "/v1/messages",
        {"model": "endless", "messages": _SAID, "max_tokens": 4000, "stream": True},
        {},
    ),
    "generate": (
        "/google/v1beta/models/endless:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": _QUESTION}]}]},
        {},
    ),
    "query": (
        "/server/query",
        {"message": _QUESTION, "model": "endless", "dataset": "none", "streaming": True},
        {},
    ),
    "web chat": ("{chat}/prompt", {"prompt": _QUESTION}, {"accept": "text/event-stream"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("aborted") / "data"
    with Upstream() as upstream, Server(data, config=_CONFIG.format(base=upstream.base_url)) as running:
        yield running


@pytest.fixture(scope="module")
def places(server: Server) -> dict[str, str]:
    with server.client() as http:
        parameters = {"baseAddress": "@integrated", "modelName": "endless", "systemInstruction": "Go on."}
        made = http.post("/api/v1/ai-gateways", json={"name": "endless gateway", "parameters": parameters})
        gateway = made.raise_for_status().json()["aiGatewayId"]
        client = {"name": "Shop", "aiGatewayId": gateway, "clientParameters": {}, "limitingParameters": {}}
        chat = http.post("/api/v1/web-chat-client", json=client).raise_for_status().json()["id"]
        session = http.post(f"/api/v1/web-chat-client/{chat}/sessions", json={"expires": 3600})
        key = session.raise_for_status().json()["accessKey"]
        return {"gateway": gateway, "chat": f"/api/v1/public/chat-clients/{key}"}


@pytest.mark.parametrize("way", list(_STREAMS))
def test_what_was_produced_is_charged(server: Server, places: dict[str, str], way: str) -> None:
    path, body, headers = _STREAMS[way]
    body = {name: places["gateway"] if value == "{gateway}" else value for name, value in body.items()}
    with server.client() as http:
        before = {one["id"] for one in _receipts(http)}
        with http.stream(
            "POST", path.replace("{chat}", places["chat"]), json=body, headers=headers
        ) as answer:
            assert answer.status_code == 200, answer.read()
            got = 0
            for piece in answer.iter_bytes():
                got += piece.count(b"and ")
                if got >= 5:
                    break
        (line,) = _broken_off(http, before)["lines"]
    assert line["status"] == 499
    # Every piece is four characters, so about a token.
    assert line["completionTokens"] >= 5
    assert line["promptTokens"] > 0
    assert line["estimated"]


def _receipts(http: httpx.Client) -> list[dict[str, Any]]:
    return list(http.get("/api/v1/receipts", params={"limit": 100}).raise_for_status().json())


def _broken_off(http: httpx.Client, before: set[str]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        new = [one["id"] for one in _receipts(http) if one["id"] not in before]
        if new:
            return dict(http.get(f"/api/v1/receipts/{new[0]}").raise_for_status().json())
        assert time.monotonic() < deadline, "nothing was charged"
        time.sleep(0.1)
