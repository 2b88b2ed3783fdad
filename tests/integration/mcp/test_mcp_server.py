"""This server's tools, as the official MCP client finds them at a running server process."""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from tests.e2e.server import API_KEY, Server

WRITE = {"x-mcp-allow-write": "yes"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", "DRAGOMAN_MODELS__LOCAL__ENABLED": "false"}
    with Server(tmp_path_factory.mktemp("offering") / "data", settings) as running:
        yield running


@pytest.fixture(scope="module")
def handbook(server: Server) -> str:
    """The id of a collection with one document, over which a gateway answers."""
    with server.client() as client:
        made = client.post("/api/v1/collections", json={"collectionName": "Staff Handbook"}).json()[
            "collectionId"
        ]
        document = {"name": "notice.md", "contents": "The notice period is three months.", "reference": "hr"}
        client.put(f"/api/v1/collections/{made}/documents", json=document)
        gateway = {
            "name": "Staff help",
            "parameters": {
                "baseAddress": "@integrated",
                "modelName": "extractive",
                "knowledgeCollections": [made],
                "knowledgeBaseMinimumScore": 0.01,
            },
        }
        assert client.post("/api/v1/ai-gateways", json=gateway).status_code in (200, 201)
    return made


@asynccontextmanager
async def _client(
    server: Server, path: str, mode: ConnectMode = "auto", key: str = API_KEY, **headers: str
) -> AsyncGenerator[Client]:
    sent = {"authorization": f"Bearer {key}"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    async with httpx2.AsyncClient(headers=sent, trust_env=False, timeout=30) as http:
        transport = streamable_http_client(f"{server.base}{path}", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def _call(client: Client, tool: str, **arguments: Any) -> tuple[str, bool]:
    answer = await client.call_tool(tool, arguments)
    return answer.content[0].text, answer.is_error  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_a_collection_is_searched_in_both_eras_of_the_protocol(
    server: Server, handbook: str, mode: ConnectMode
) -> None:
    headers = {"x_mcp_collection_id": handbook, "x_mcp_collection_name": "My staff"}
    async with _client(server, "/v1/mcp/collections", mode, **headers) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert [tool.name for tool in (await client.list_tools()).tools] == ["my_staff_search"]
        text, failed = await _call(client, "my_staff_search", search_terms=["notice period"])
        assert not failed
        assert json.loads(text)["results"][0]["text"] == "The notice period is three months."
        for terms, said in (
            (["a"] * 11, "at most 10"),
            (["x" * 501], "at most 500"),
            ([], "list of texts"),
            (7, "list"),
        ):
            text, failed = await _call(client, "my_staff_search", search_terms=terms)
            assert failed
            assert said in text


async def test_documents_are_written_and_deleted_where_that_is_allowed(server: Server, handbook: str) -> None:
    headers = {"x_mcp_collection_id": handbook, "x_mcp_allow_write": "yes"}
    async with _client(server, "/v1/mcp/collections", **headers) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names == ["collection_search", "collection_save_document", "collection_delete_document"]
        text, failed = await _call(
            client, "collection_save_document", name="bike.md", contents="Bikes in the yard."
        )
        assert (failed, "was created" in text) == (False, True)
        document_id = text.split()[2]
        text, _ = await _call(
            client, "collection_save_document", name="bike.md", contents="Bikes in the cellar."
        )
        assert "was modified" in text
        text, failed = await _call(client, "collection_delete_document", document_id=document_id)
        assert not failed
        text, failed = await _call(client, "collection_delete_document", document_id=document_id)
        assert failed
    async with _client(server, "/v1/mcp/collections", x_mcp_collection_id=handbook) as client:
        with pytest.raises(Exception, match="Unknown tool"):
            await _call(client, "collection_delete_document", document_id=document_id)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_gateway_is_asked(server: Server, handbook: str, mode: ConnectMode) -> None:
    headers = {
        "x_mcp_model_name": "Staff help",
        "x_mcp_tool_name": "Data Assistant",
        "x_mcp_tool_description": "Knows the staff.",
        "x_mcp_tool_title": "Staff",
    }
    async with _client(server, "/v1/mcp/inference", mode, **headers) as client:
        tool = (await client.list_tools()).tools[0]
        assert (tool.name, tool.description, tool.title) == (
            "invoke_data_assistant",
            "Knows the staff.",
            "Staff",
        )
        text, failed = await _call(client, "invoke_data_assistant", prompt="How long is the notice period?")
        assert (failed, "three months" in text) == (False, True)
        text, failed = await _call(client, "invoke_data_assistant", prompt="")
        assert (failed, "prompt" in text) == (True, True)


async def test_one_address_offers_all_collections_and_gateways_of_a_caller(
    server: Server, handbook: str
) -> None:
    async with _client(server, "/mcp") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {
            "search_staff_handbook",
            "ask_staff_help",
        }
        text, _ = await _call(client, "ask_staff_help", prompt="How long is the notice period?")
        assert "three months" in text
    server.command("users", "create", "--email", "eve@example.org")
    key = json.loads(server.command("keys", "create", "--email", "eve@example.org", "--json").stdout)["key"]
    async with _client(server, "/mcp/", key=key) as client:
        assert (await client.list_tools()).tools == []
    with pytest.raises(BaseExceptionGroup):
        async with _client(server, "/v1/mcp/collections", key=key, x_mcp_collection_id=handbook):
            pass


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/v1/mcp/collections", {}, 200, "X-Mcp-Collection-Id"),
        ("/v1/mcp/collections", {"X-Mcp-Collection-Id": "x"}, 200, "collection"),
        ("/v1/mcp/collections", {"X-Mcp-Collection-Id": "ID", "X-Mcp-Top-K": "0"}, 200, "X-Mcp-Top-K"),
        (
            "/v1/mcp/collections",
            {"X-Mcp-Collection-Id": "ID", "X-Mcp-Min-Score": "2"},
            200,
            "X-Mcp-Min-Score",
        ),
        (
            "/v1/mcp/collections",
            {"X-Mcp-Collection-Id": "ID", "X-Mcp-Reranker": "best"},
            200,
            "X-Mcp-Reranker",
        ),
        ("/v1/mcp/inference", {}, 200, "X-Mcp-Model-Name"),
        ("/v1/mcp/inference", {"X-Mcp-Model-Name": "none"}, 200, "X-Mcp-Model-Name"),
        ("/mcp", {"Authorization": "Bearer nobody"}, 401, "key"),
        ("/mcp/nowhere", {}, 404, "no MCP server"),
    ],
)
def test_what_a_client_has_set_up_wrongly_is_said_at_once(
    server: Server, handbook: str, path: str, headers: dict[str, str], status: int, said: str
) -> None:
    with server.client() as client:
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"protocolVersion": "2025-06-18"},
        }
        sent = {name: handbook if text == "ID" else text for name, text in headers.items()}
        answer = client.post(path, json=message, headers=sent)
        assert (answer.status_code, said.lower() in answer.json()["error"]["message"].lower()) == (
            status,
            True,
        )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"no/such"}', -32601),
    ],
)
def test_messages_that_are_none_get_the_protocols_error(server: Server, body: bytes, code: int) -> None:
    with server.client() as client:
        assert client.post("/mcp", content=body).json()["error"]["code"] == code


def test_other_methods_batches_and_notifications(server: Server) -> None:
    with server.client() as client:
        assert client.get("/mcp").status_code == 405
        assert client.delete("/mcp").status_code == 405
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert client.post("/mcp", json=note).status_code == 202
        ping = {"jsonrpc": "2.0", "id": "a", "method": "ping"}
        answer = client.post("/mcp", json=[note, ping])
        assert answer.json() == [{"jsonrpc": "2.0", "id": "a", "result": {}}]
        version = {"mcp-protocol-version": "1999-01-01"}
        assert client.post("/mcp", json=ping, headers=version).json()["error"]["code"] == -32022
    assert (
        httpx.post(f"{server.base}/mcp", json=ping, trust_env=False).headers["www-authenticate"] == "Bearer"
    )


def test_the_server_starts_without_the_sdk() -> None:
    code = "import sys, dragoman.bootstrap.application; sys.exit('mcp' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
