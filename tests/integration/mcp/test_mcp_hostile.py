"""Servers that are dead, slow, lie or lead inward."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest
from mcp_samples import at, mcp_client
from tests.unit.kit.test_egress import HOSTILE, NAMES

from dragoman.adapters.tools.mcp.client import McpClient
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner
from dragoman.settings.mcp import McpSettings
from scripted_server import Exchange, ScriptedServer

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "scripted", "version": "1"},
}


class Liar:
    """Speaks the protocol, but for what it is told to say otherwise; ``tools`` is what it lists."""

    def __init__(self, tools: object = (), called: object = None) -> None:
        self.tools = tools
        self.called = called
        self.methods: list[str] = []
        self.silent = asyncio.Event()
        self.silent.set()

    async def __call__(self, exchange: Exchange) -> None:
        if not exchange.head.startswith(b"POST"):
            await exchange.answer(b"", status="405 No")
            return
        message = orjson.loads(exchange.body)
        self.methods.append(message["method"])
        await self.silent.wait()
        if "id" not in message:
            await exchange.answer(b"", status="202 Accepted")
            return
        result = {"initialize": HELLO, "tools/list": {"tools": self.tools}, "tools/call": self.called}.get(
            message["method"]
        )
        if result is None:
            error = {"code": -32601, "message": "no"}
            await exchange.json({"jsonrpc": "2.0", "id": message["id"], "error": error})
        else:
            await exchange.json({"jsonrpc": "2.0", "id": message["id"], "result": result})


def _tool(name: str, schema: object = None) -> dict[str, object]:
    return {"name": name, "description": "d", "inputSchema": {"type": "object"} if schema is None else schema}


@asynccontextmanager
async def _lying(liar: Liar) -> AsyncGenerator[tuple[McpClient, str]]:
    async with ScriptedServer(liar) as server, mcp_client() as client:
        yield client, f"{server.url}/mcp"


async def test_tools_with_broken_schemas_or_names_are_left_out() -> None:
    broken = [
        _tool("good"),
        _tool("bad_type", {"type": "object", "properties": {"a": {"type": "no such type"}}}),
        _tool(""),
        _tool("n" * 300),
    ]
    async with _lying(Liar(broken)) as (client, url):
        assert [tool.name for tool in await client.tools(at(url))] == ["good"]


async def test_a_list_that_is_none_is_told_of() -> None:
    async with _lying(Liar([{"name": 7}, _tool("shape", {"properties": 7})])) as (client, url):
        with pytest.raises(DragomanError, match="does not follow the protocol"):
            await client.tools(at(url))


async def test_a_result_that_contradicts_the_tools_own_schema_is_told_of() -> None:
    tool = _tool("lies") | {"outputSchema": {"type": "object", "required": ["sum"]}}
    answer = {"content": [], "structuredContent": {"other": 1}}
    async with _lying(Liar([tool], answer)) as (client, url):
        with pytest.raises(DragomanError, match="contradicts itself"):
            await client.call(at(url), "lies", {}, about={}, session="s")


async def test_a_server_that_lists_without_end_is_cut_off() -> None:
    class Endless(Liar):
        async def __call__(self, exchange: Exchange) -> None:
            message = orjson.loads(exchange.body or b"{}")
            if message.get("method") != "tools/list":
                await super().__call__(exchange)
                return
            self.methods.append("tools/list")
            tools = [_tool(f"t{len(self.methods)}_{number}") for number in range(100)]
            result = {"tools": tools, "nextCursor": str(len(self.methods))}
            await exchange.json({"jsonrpc": "2.0", "id": message["id"], "result": result})

    liar = Endless()
    async with _lying(liar) as (client, url):
        assert len(await client.tools(at(url))) == 500
    assert liar.methods.count("tools/list") == 5


@pytest.mark.parametrize(
    ("status", "sentence"), [("401 No", "does not accept the headers"), ("500 Oops", "status 500")]
)
async def test_a_refusal_by_status_is_told_of(status: str, sentence: str) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(b"no", status=status)

    async with ScriptedServer(refuse) as server, mcp_client() as client:
        with pytest.raises(DragomanError, match=sentence):
            await client.tools(at(server.url))


async def test_a_redirect_inward_is_not_followed() -> None:
    async def redirect(exchange: Exchange) -> None:
        await exchange.answer(b"", status="307 Go", headers="location: http://127.0.0.1:1/inside\r\n")

    async with ScriptedServer(redirect) as server, mcp_client() as client:
        with pytest.raises(DragomanError, match="not followed"):
            await client.tools(at(server.url))
        assert len(server.exchanges) > 0


async def _resolver(host: str, port: int) -> Sequence[str]:
    return NAMES.get(host.rstrip("."), ["10.0.0.9"])


@pytest.mark.parametrize("url", HOSTILE)
async def test_an_address_that_leads_inward_is_never_connected_to(url: str) -> None:
    tasks = TaskOwner()
    client = McpClient(McpSettings(connect_seconds=10), EgressPolicy(), tasks, resolver=_resolver)
    with pytest.raises(DragomanError) as raised:
        await client.tools(at(url))
    assert raised.value.code in ("egress_refused", "invalid_url", "host_unresolved")
    await tasks.close()


async def test_a_name_that_changes_its_mind_is_checked_at_every_request() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers, ["10.0.0.1"])

    liar = Liar([_tool("a")])
    async with ScriptedServer(liar) as server:
        tasks = TaskOwner()
        policy = EgressPolicy.parse(["127.0.0.1"])
        client = McpClient(McpSettings(connect_seconds=10), policy, tasks, resolver=rebinding)
        with pytest.raises(DragomanError) as raised:
            await client.tools(at(f"http://moving.example:{server.port}/mcp"))
        assert raised.value.code == "egress_refused"
        assert liar.methods == ["server/discover", "initialize"]
        await tasks.close()


async def test_dead_servers_delay_the_first_answer_by_one_deadline_and_then_no_answer() -> None:
    live, dead = Liar([_tool("alive")]), Liar()
    dead.silent.clear()
    wait = 1.0
    async with (
        ScriptedServer(live) as good,
        ScriptedServer(dead) as bad,
        mcp_client(connect_seconds=wait) as client,
    ):
        await client.tools(at(f"{good.url}/first"))
        urls = [f"{good.url}/{number}" for number in range(15)] + [
            f"{bad.url}/{number}" for number in range(5)
        ]

        async def all_listed() -> tuple[int, float]:
            begun = time.monotonic()
            found = await asyncio.gather(*(client.tools(at(url)) for url in urls), return_exceptions=True)
            assert sum(isinstance(one, DragomanError) for one in found) == 5
            return sum(not isinstance(one, BaseException) for one in found), time.monotonic() - begun

        answered, seconds = await all_listed()
        assert answered == 15
        assert wait <= seconds < wait + 1
        answered, seconds = await all_listed()
        assert answered == 15
        assert seconds < 0.2


async def test_a_slow_server_is_back_as_soon_as_it_has_answered() -> None:
    slow = Liar([_tool("late")])
    slow.silent.clear()
    async with ScriptedServer(slow) as server, mcp_client(connect_seconds=0.5) as client:
        with pytest.raises(DragomanError, match="did not answer"):
            await client.tools(at(server.url))
        slow.silent.set()
        async with asyncio.timeout(5):
            while True:
                try:
                    tools = await client.tools(at(server.url))
                    break
                except DragomanError:
                    await asyncio.sleep(0)
        assert [tool.name for tool in tools] == ["late"]


async def test_lists_are_kept_apart_by_account_and_by_headers() -> None:
    liar = Liar([_tool("a")])
    async with _lying(liar) as (client, url):
        await client.tools(at(url, "one"))
        await client.tools(at(url, "one"))
        assert liar.methods.count("tools/list") == 1
        await client.tools(at(url, "two"))
        await client.tools(at(url, "one", x_key="other"))
        assert liar.methods.count("tools/list") == 3
