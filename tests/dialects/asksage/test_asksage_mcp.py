"""MCP servers of users, against a real server of the official SDK."""

import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from asksage_scripted import Scripted, scripted_app

from dragoman.adapters.models.scripted import Script, ScriptedCall, Turn
from mcp_process import mcp_server

DEAD = "http://127.0.0.1:9/mcp"


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


def _says(scripted: Scripted, *turns: Turn) -> None:
    scripted.model._script = Script(turns=turns)  # pyright: ignore[reportPrivateUsage]


async def _post(scripted: Scripted, operation: str, **body: object) -> dict[str, Any]:
    answer = await scripted.app.client.post(f"/server/{operation}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _added(scripted: Scripted, url: str, name: str = "sample", **metadata: object) -> int:
    body = {"server_name": name, "server_url": url, "metadata_json": json.dumps(metadata)}
    return (await _post(scripted, "add-mcp-server", **body))["server_id"]


async def test_a_server_is_added_listed_changed_and_deleted(scripted: Scripted) -> None:
    body = {
        "server_name": "My MCP Server",
        "server_url": "https://tools.example.com/mcp",
        "server_type": "API",
        "description": "what it does",
        "metadata_json": '{"key": "value", "headers": {"Authorization": "Bearer s3cret", "X-Own": "{{secret:crm}}"}}',
    }
    added = await _post(scripted, "add-mcp-server", **body)
    assert added.keys() == {"response", "server_id", "status"}
    number = added["server_id"]
    listed = (await scripted.app.client.get("/server/list-mcp-servers")).json()
    assert listed["count"] == 1
    entry = listed["response"][0]
    assert entry.keys() == {
        "id", "server_name", "server_url", "server_type", "description", "metadata_json", "is_active",
        "created_at", "updated_at",
    }  # fmt: skip
    shown = json.loads(entry["metadata_json"])
    assert shown["headers"] == {"Authorization": "********", "X-Own": "{{secret:crm}}"}
    assert "s3cret" not in json.dumps(listed)

    change = {"server_id": number, "server_name": "Other", "metadata_json": entry["metadata_json"]}
    changed = await scripted.app.client.put("/server/update-mcp-server", json=change)
    assert changed.json()["server_id"] == number
    after = (await _post(scripted, "list-mcp-servers"))["response"][0]
    assert (after["server_name"], after["server_type"]) == ("Other", "API")

    deleted = await scripted.app.client.request(
        "DELETE", "/server/delete-mcp-server", json={"server_id": number}
    )
    assert (deleted.status_code, deleted.json()["server_id"]) == (200, number)
    again = await scripted.app.client.request(
        "DELETE", "/server/delete-mcp-server", json={"server_id": number}
    )
    assert (again.status_code, again.json()["status"]) == (404, 404)
    assert (await _post(scripted, "list-mcp-servers"))["count"] == 0
    inactive = await _post(scripted, "list-mcp-servers", include_inactive=True)
    assert [one["is_active"] for one in inactive["response"]] == [False]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"server_url": "https://a.example"}, "server_name"),
        ({"server_name": "a"}, "server_url"),
        ({"server_name": "a/b", "server_url": "https://a.example"}, "server_name"),
        ({"server_name": "n" * 101, "server_url": "https://a.example"}, "server_name"),
        ({"server_name": "a", "server_url": "ftp://a.example"}, "server_url"),
        ({"server_name": "a", "server_url": "http://169.254.169.254/mcp"}, "server_url"),
        ({"server_name": "a", "server_url": "http://2852039166/mcp"}, "server_url"),
        ({"server_name": "a", "server_url": "https://a.example/" + "x" * 2048}, "server_url"),
        ({"server_name": "a", "server_url": "stdio:sh"}, "server_url"),
        ({"server_name": "a", "server_url": "https://a.example", "server_type": "t" * 51}, "server_type"),
        ({"server_name": "a", "server_url": "https://a.example", "description": "d" * 1001}, "description"),
        ({"server_name": "a", "server_url": "https://a.example", "metadata_json": "{"}, "metadata_json"),
        ({"server_name": "a", "server_url": "https://a.example", "metadata_json": "[1]"}, "metadata_json"),
        (
            {
                "server_name": "a",
                "server_url": "https://a.example",
                "metadata_json": {"headers": {"a b": "c"}},
            },
            "metadata_json.headers",
        ),
        (
            {
                "server_name": "a",
                "server_url": "https://a.example",
                "metadata_json": {"headers": {"a": "c\nd"}},
            },
            "metadata_json.headers",
        ),
    ],
)
async def test_what_is_wrong_with_a_server_is_said(
    scripted: Scripted, body: dict[str, object], field: str
) -> None:
    answer = await scripted.app.client.post("/server/add-mcp-server", json=body)
    assert answer.status_code == 400
    assert f"'{field}'" in answer.json()["response"]


async def test_servers_are_strictly_per_user(scripted: Scripted, url: str) -> None:
    number = await _added(scripted, url)
    stranger = scripted.app.stranger
    assert (await stranger.get("/server/list-mcp-servers")).json()["count"] == 0
    assert (await stranger.get("/server/list-mcp-tools")).json()["count"] == 0
    for operation in ("update-mcp-server", "delete-mcp-server"):
        assert (await stranger.post(f"/server/{operation}", json={"server_id": number})).status_code == 404
    body = {"message": "hi", "tools_to_execute": [{"name": "add", "arguments": {"a": 1, "b": 1}}]}
    refused = await stranger.post("/server/query", json=body)
    assert (refused.status_code, "tools_to_execute" in refused.json()["response"]) == (400, True)
    assert (await _post(scripted, "list-mcp-servers"))["count"] == 1


async def test_the_tools_of_all_servers_are_listed_and_dead_servers_named(
    scripted: Scripted, url: str
) -> None:
    await _added(scripted, url)
    await _added(scripted, DEAD, "dead")
    await _added(scripted, url, "unset", headers={"x-key": "{{secret:none}}"})
    listed = await _post(scripted, "list-mcp-tools")
    add = next(tool for tool in listed["response"] if tool["name"] == "add")
    assert add["input_schema"]["properties"].keys() == {"a", "b"}
    assert add["server"]["server_name"] == "sample"
    assert listed["count"] == len(listed["response"])
    assert {one["server_name"] for one in listed["errors"]} == {"dead", "unset"}
    assert [one["server_name"] for one in listed["server"]] == ["sample"]


async def test_the_model_uses_enabled_tools_and_secrets_are_filled_in(scripted: Scripted, url: str) -> None:
    await scripted.app.client.post("/user/set-secret", json={"name": "crm", "value": "s3cret"})
    await _added(scripted, url, headers={"X-Key": "{{secret:crm}}"})
    _says(scripted, Turn(tool_calls=(ScriptedCall(name="tell"),)), Turn(text="done"))
    answer = await _post(scripted, "query", message="tell", enabled_mcp_tools=["tell"], dataset="none")
    assert answer["message"] == "done"
    run = answer["tool_responses"][0]
    assert (run["name"], run["state"]) == ("tell", "completed")
    told = json.loads(run["result"])
    assert told["key"] == "s3cret"
    meta = told["meta"]
    assert meta["_aiv_call_source"] == "ChatCompletionsApi"
    salt = (await scripted.app.client.get("/api/v1/account")).json().get("salt")
    if salt is not None:
        assert bcrypt.checkpw(salt.encode(), meta["_aiv_nonce"].encode())
    assert meta["_aiv_nonce"].startswith("$2a$")
    assert answer["tool_calls"] is None


@pytest.mark.parametrize("arguments", [{"city": "Oslo"}, '{"city":"Oslo"}'])
@pytest.mark.parametrize(
    "turn", [Turn(text="no"), Turn(tool_calls=(ScriptedCall(name="weather", arguments='{"city": "Rome"}'),))]
)
async def test_arguments_that_the_choice_gives_are_those_of_the_call(
    scripted: Scripted, arguments: object, turn: Turn
) -> None:
    _says(scripted, turn)
    choice = {"type": "function", "function": {"name": "weather", "arguments": arguments}}
    tools = [{"name": "weather", "parameters": {"type": "object"}}]
    answer = await _post(scripted, "query", message="x", tools=tools, tool_choice=choice, dataset="none")
    (call,) = answer["tool_calls"]
    assert call["id"]
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}


async def test_only_enabled_tools_are_offered(scripted: Scripted, url: str) -> None:
    await _added(scripted, url)
    await _post(scripted, "query", message="hi", enabled_mcp_tools='["add"]', dataset="none")
    assert [tool.name for tool in scripted.model.requests[-1].tools] == ["add"]
    await _post(scripted, "query", message="hi", dataset="none")
    assert scripted.model.requests[-1].tools == ()


async def test_approved_calls_are_carried_out_before_the_model_answers(scripted: Scripted, url: str) -> None:
    await _added(scripted, url)
    _says(scripted, Turn(text="It is 42."))
    calls = [
        {"name": "add", "arguments": {"a": 40, "b": 2}, "id": "one"},
        {"type": "function", "function": {"name": "sample/odd name!", "arguments": "{}"}},
        {"name": "fail"},
    ]
    answer = await _post(scripted, "query", message="sum?", tools_to_execute=calls, dataset="none")
    assert answer["message"] == "It is 42."
    shown = [(run["id"], run["name"], run["state"], run["result"]) for run in answer["tool_responses"]]
    assert shown == [
        ("one", "add", "completed", "42"),
        ("call_2", "odd_name", "completed", "odd"),
        ("call_3", "fail", "failed", "Error: Error executing tool fail"),
    ]
    results = [turn.text for turn in scripted.model.requests[-1].messages if turn.role == "tool"]
    assert results == ["42", "odd", "Error: Error executing tool fail"]


async def test_pictures_of_approved_calls_are_told_of_where_the_model_cannot_look(
    scripted: Scripted, url: str
) -> None:
    await _added(scripted, url)
    await _post(scripted, "query", message="draw", tools_to_execute=["picture"], dataset="none")
    result = next(turn.text for turn in scripted.model.requests[-1].messages if turn.role == "tool")
    assert result == "[image 1 is attached]\n[attached: a picture, which you cannot look at]"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"enabled_mcp_tools": ["nothing"]}, "nothing"),
        ({"enabled_mcp_tools": [7]}, "enabled_mcp_tools[0]"),
        ({"tools_to_execute": ["nothing"]}, "nothing"),
        ({"tools_to_execute": [{"arguments": {}}]}, "tools_to_execute[0]"),
        ({"tools_to_execute": [{"name": "add", "arguments": "{"}]}, "not valid JSON"),
        ({"tools_to_execute": [{"name": "add", "arguments": [1]}]}, "must be an object"),
        ({"enabled_mcp_tools": ["add"], "tools": [{"name": "add"}]}, "used twice"),
    ],
)
async def test_wrong_names_of_tools_are_refused(
    scripted: Scripted, url: str, body: dict[str, Any], said: str
) -> None:
    await _added(scripted, url)
    answer = await scripted.app.client.post(
        "/server/query", json={"message": "hi", "dataset": "none", **body}
    )
    assert answer.status_code == 400
    assert said in answer.json()["response"]


async def test_a_tool_that_two_servers_have_is_named_with_its_server(scripted: Scripted, url: str) -> None:
    await _added(scripted, url, "one")
    await _added(scripted, url, "two")
    body = {"message": "hi", "dataset": "none", "enabled_mcp_tools": ["add"]}
    refused = await scripted.app.client.post("/server/query", json=body)
    assert refused.status_code == 400
    assert "'one'" in refused.json()["response"]
    assert "'two'" in refused.json()["response"]
    call = {"name": "two/add", "arguments": {"a": 1, "b": 1}}
    answer = await _post(scripted, "query", message="hi", dataset="none", tools_to_execute=[call])
    assert answer["tool_responses"][0]["result"] == "2"


async def test_the_operators_list_is_shown_and_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    settings: dict[str, Any] = {"mcp": {"whitelist": {"crm": "https://crm.example/mcp"}}}
    async with scripted_app(tmp_path / "listed", monkeypatch, **settings) as scripted:
        assert (await _post(scripted, "list-mcp-whitelisted-servers"))["response"] == ["crm"]
        assert await _added(scripted, "https://crm.example/mcp")
        body = {"server_name": "a", "server_url": url}
        refused = await scripted.app.client.post("/server/add-mcp-server", json=body)
        assert (refused.status_code, "crm" in refused.json()["response"]) == (400, True)
