"""Gateways that use tools of MCP servers, over the OpenAI dialect."""

import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from structlog.testing import capture_logs
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app

from dragoman.adapters.models.scripted import Script, ScriptedCall, Turn
from mcp_process import mcp_server


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with mcp_server("http") as address:
        yield address


@pytest.fixture
async def scripted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> AsyncGenerator[Scripted]:
    settings: dict[str, Any] = {"egress": {"allow": ["127.0.0.1"]}, "mcp": {"connect_seconds": 20}}
    async with scripted_app(tmp_path / "data", monkeypatch, **settings) as app:
        yield app


async def _gateway(scripted: Scripted, *sources: dict[str, Any]) -> None:
    parameters = {"baseAddress": "@integrated", "modelName": "scripted", "mcpSources": list(sources)}
    body = {"name": "desk", "parameters": parameters}
    made = await scripted.app.client.post("/api/v1/ai-gateways", json=body)
    assert made.is_success, made.text


async def _asked(scripted: Scripted, **body: Any) -> Any:
    message = {"model": "desk", "messages": [{"role": "user", "content": "go"}], **body}
    return await scripted.app.client.post("/v1/chat/completions", json=message)


def _calls(scripted: Scripted, *names: str) -> None:
    turns = [Turn(tool_calls=tuple(ScriptedCall(name=name) for name in names)), Turn(text="done")]
    scripted.model._script = Script(turns=tuple(turns))  # pyright: ignore[reportPrivateUsage]


async def test_a_gateways_source_is_used_and_told_of_the_call(scripted: Scripted, url: str) -> None:
    await scripted.app.client.post("/user/set-secret", json={"name": "k", "value": "s3cret"})
    await _gateway(scripted, {"name": "sample", "url": url, "headers": {"X-Key": "{{secret:k}}"}})
    _calls(scripted, "tell")
    answer = await _asked(scripted, user="ann", metadata={"tenant_id": "t1", "_aiv_nonce": "forged"})
    assert answer.json()["choices"][0]["message"]["content"] == "done"
    assert {"add", "tell", "odd_name"} <= {tool.name for tool in scripted.model.requests[0].tools}
    told = json.loads(next(turn.text for turn in scripted.model.requests[-1].messages if turn.role == "tool"))
    assert told["key"] == "s3cret"
    meta = told["meta"]
    assert meta["tenant_id"] == "t1"
    assert meta["_aiv_external_user_id"] == "ann"
    assert meta["_aiv_call_source"] == "ChatCompletionsApi"
    assert "_aiv_conversation_token" not in meta
    assert meta["_aiv_moment"][10] == "T"
    running = scripted.app.running.services
    salt = await running.accounts.salt(await running.accounts.admin.caller("ana@example.org"))
    assert bcrypt.checkpw(salt.encode(), meta["_aiv_nonce"].encode())


async def test_a_source_that_does_not_answer_is_left_out_with_a_warning(scripted: Scripted, url: str) -> None:
    dead = {"name": "dead", "url": "http://127.0.0.1:9/mcp"}
    alive = {"name": "sample", "url": url}
    await _gateway(scripted, dead, alive)
    with capture_logs() as logs:
        answer = await _asked(scripted)
    assert answer.status_code == 200
    assert "add" in {tool.name for tool in scripted.model.requests[0].tools}
    warned = next(entry for entry in logs if entry["event"] == "mcp.server_left_out")
    assert (warned["server"], warned["log_level"]) == ("dead", "warning")


async def test_tools_that_are_all_out_of_reach_are_told_of(scripted: Scripted) -> None:
    await _gateway(scripted, {"name": "dead", "url": "http://127.0.0.1:9/mcp"})
    answer = await _asked(scripted)
    context = answer.json()["generation_context"]
    (missing,) = context["unavailable_tools"]
    assert missing["owner"] == "MCP server 'dead'"
    assert missing["reason"]
    assert "MCP server 'dead'" in scripted.model.requests[0].messages[0].text
    trace = await scripted.app.client.get(f"/api/v1/runs/{context['run']['id']}")
    steps = [(step["name"], step["state"]) for step in trace.json()["steps"]]
    assert steps[0] == ("MCP server 'dead'", "left_out")
    streamed = await _asked(scripted, stream=True)
    assert "unavailable_tools" in streamed.text


async def test_two_sources_with_a_tool_of_one_name_are_refused_by_both_names(
    scripted: Scripted, url: str
) -> None:
    await _gateway(scripted, {"name": "one", "url": url}, {"name": "two", "url": url})
    answer = await _asked(scripted)
    assert answer.status_code == 400
    said = answer.json()["error"]["message"]
    assert "MCP server 'one'" in said
    assert "MCP server 'two'" in said


async def test_a_tool_that_fails_is_read_by_the_model(scripted: Scripted, url: str) -> None:
    await _gateway(scripted, {"name": "sample", "url": url})
    _calls(scripted, "fail")
    assert (await _asked(scripted)).json()["choices"][0]["message"]["content"] == "done"
    results = [turn.text for turn in scripted.model.requests[-1].messages if turn.role == "tool"]
    assert results == ["Error: Error executing tool fail"]
