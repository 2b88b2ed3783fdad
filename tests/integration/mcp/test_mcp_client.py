"""The MCP client against real servers of the official SDK, each in a process of its own, over all transports."""

import asyncio
import json
from collections.abc import Generator
from typing import Any

import pytest
from blockbuster import BlockBuster
from mcp_samples import at, mcp_client
from tests.e2e.server import free_port

from dragoman.adapters.tools.mcp.client import McpClient
from dragoman.domain.messages.parts import AudioPart, ImagePart
from dragoman.domain.tools.model import ToolResult
from dragoman.domain.tools.servers.model import ServerAddress
from dragoman.kit.errors import DragomanError, InvalidInput
from mcp_process import mcp_server


@pytest.fixture(scope="module")
def http_url() -> Generator[str]:
    with mcp_server("http") as address:
        yield address


@pytest.fixture(scope="module", params=["http", "sse"])
def url(request: pytest.FixtureRequest, http_url: str) -> Generator[str]:
    if request.param == "http":
        yield http_url
        return
    with mcp_server("sse") as address:
        yield address


async def _called(
    client: McpClient, address: ServerAddress, tool: str, session: str = "s", **arguments: Any
) -> ToolResult:
    return await client.call(address, tool, arguments, about={"_word": "told"}, session=session)


async def test_tools_are_listed_and_called(url: str, no_blocking: BlockBuster) -> None:
    async with mcp_client() as client:
        tools = {tool.name: tool for tool in await client.tools(at(url))}
        assert tools["add"].description == "Adds two numbers."
        assert set(tools["add"].parameters["properties"]) == {"a", "b"}  # pyright: ignore[reportArgumentType]
        assert (await _called(client, at(url), "add", a=2, b=40)).text == "42"


async def test_what_is_told_of_a_call_arrives_at_the_server(url: str) -> None:
    async with mcp_client() as client:
        told = json.loads((await _called(client, at(url, x_key="k-1"), "tell")).text)
        assert told["meta"]["_word"] == "told"
        assert told["key"] == "k-1"


async def test_a_program_of_the_settings_is_a_server_too() -> None:
    async with mcp_client() as client:
        assert (await _called(client, at("stdio:sample"), "add", a=2, b=40)).text == "42"
        told = json.loads((await _called(client, at("stdio:sample"), "tell")).text)
        assert told["meta"]["_word"] == "told"
        assert (await _called(client, at("stdio:sample"), "count")).text == "1"
        assert (await _called(client, at("stdio:sample"), "count")).text == "2"


async def test_pictures_and_sound_are_parts_and_the_rest_is_said_to_be_unsupported(url: str) -> None:
    async with mcp_client() as client:
        picture = await _called(client, at(url), "picture")
        assert picture.text == "[image 1 is attached]"
        assert isinstance(picture.parts[0], ImagePart)
        assert picture.parts[0].url.startswith("data:image/png;base64,iVBOR")
        sound = await _called(client, at(url), "sound")
        assert isinstance(sound.parts[0], AudioPart)
        assert sound.parts[0].format == "wav"
        document = await _called(client, at(url), "document")
        assert document.text == "see\n[unsupported content of type 'resource']"


async def test_failures_are_sentences_and_leave_the_connection_usable(url: str) -> None:
    async with mcp_client() as client:
        for tool, sentence in (
            ("fail", "Error executing tool fail"),
            ("none", "Unknown tool"),
            ("add", "validation"),
        ):
            with pytest.raises(DragomanError, match=sentence):
                await _called(client, at(url), tool)
        assert (await _called(client, at(url), "add", a=1, b=1)).text == "2"


async def test_a_tool_that_hangs_is_given_up_and_the_next_call_goes_through(http_url: str) -> None:
    async with mcp_client(call_seconds=0.5) as client:
        assert await client.tools(at(http_url))
        with pytest.raises(DragomanError, match="did not answer"):
            await _called(client, at(http_url), "hang")
        assert (await _called(client, at(http_url), "add", a=1, b=1)).text == "2"


async def test_a_server_that_floods_is_cut_off(http_url: str) -> None:
    async with mcp_client(max_answer_bytes=100_000) as client:
        with pytest.raises(DragomanError, match="more than is taken"):
            await _called(client, at(http_url), "flood")
        assert (await _called(client, at(http_url), "add", a=1, b=1)).text == "2"


async def test_long_texts_are_cut(http_url: str) -> None:
    async with mcp_client() as client:
        text = (await _called(client, at(http_url), "flood")).text
        assert len(text) < 201_000
        assert text.endswith("further characters were left out]")


async def test_a_cancelled_call_leaves_the_client_usable(http_url: str) -> None:
    async with mcp_client() as client:
        await client.tools(at(http_url))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await _called(client, at(http_url), "hang")
        assert (await _called(client, at(http_url), "add", a=1, b=1)).text == "2"


async def test_a_list_is_kept_while_it_is_fresh_and_made_anew_when_tools_changed() -> None:
    with mcp_server("stateless") as url:
        async with mcp_client() as client:
            assert "add" in {tool.name for tool in await client.tools(at(url))}
            await _called(client, at(url), "replace")
            assert "add" in {tool.name for tool in await client.tools(at(url))}
            # The model still knows the tool that is gone: the failed call has the list made anew.
            with pytest.raises(DragomanError, match="Unknown tool"):
                await _called(client, at(url), "add", a=1, b=1)
            assert "add" not in {tool.name for tool in await client.tools(at(url))}
            assert (await _called(client, at(url), "multiply")).text == "new"


async def test_a_server_that_was_started_anew_is_found_again() -> None:
    port = free_port()
    async with mcp_client() as client:
        with mcp_server("http", port) as url:
            assert (await _called(client, at(url), "add", a=1, b=1)).text == "2"
        with mcp_server("http", port):
            assert (await _called(client, at(url), "add", a=1, b=2)).text == "3"


async def test_only_programs_of_the_settings_are_started() -> None:
    async with mcp_client() as client:
        for url in ("stdio:/bin/sh", "stdio:other", "stdio:"):
            with pytest.raises(InvalidInput, match=r"mcp\.commands are: sample"):
                await client.tools(at(url))


async def test_a_program_that_cannot_be_started_is_told_of() -> None:
    async with mcp_client(commands={"gone": ["/nowhere/program"]}) as client:
        with pytest.raises(DragomanError, match="cannot be started"):
            await client.tools(at("stdio:gone"))


async def test_with_a_whitelist_only_servers_below_its_addresses_are_called() -> None:
    async with mcp_client(whitelist={"crm": "https://tools.example/mcp"}) as client:
        client.check(at("https://tools.example/mcp/sales"))
        for url in (
            "https://tools.example/mcpx",
            "https://tools.example/mcp/../admin",
            "http://tools.example/mcp",
            "https://tools.example.evil/mcp",
            "https://tools.example:444/mcp",
        ):
            with pytest.raises(InvalidInput, match="on its list: crm"):
                client.check(at(url))


async def test_without_the_package_the_reason_is_given() -> None:
    def missing(_: str) -> object:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp")

    async with mcp_client() as client:
        client._load = missing  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DragomanError, match=r"install dragoman\[tools\]"):
            await client.tools(at("http://127.0.0.1:9/mcp"))


async def test_a_program_that_starts_slowly_is_waited_for_when_it_is_called() -> None:
    async with mcp_client(connect_seconds=0.05) as client:
        with pytest.raises(DragomanError, match="did not answer"):
            await client.tools(at("stdio:sample"))
        other = at("stdio:sample", "another account")
        assert (await _called(client, other, "add", a=1, b=1)).text == "2"
