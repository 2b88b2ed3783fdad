"""Programs reach the hosts of the list, over the server's proxy, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dragoman.adapters.sandboxes.bubblewrap import BubblewrapSandbox
from dragoman.adapters.sandboxes.network import AllowedNetwork
from dragoman.adapters.sandboxes.nsjail import NsjailSandbox
from dragoman.adapters.sandboxes.proxy import LIMIT, FilteringProxy
from dragoman.domain.sandbox.ports import Limits, Outcome, Program
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.hosts import HostPatterns
from sandbox_backends import USER

Ask = Callable[[str], Awaitable[str]]


@dataclass(slots=True)
class Web:
    """A server on loopback that keeps what it was sent."""

    port: int
    heads: list[str] = field(default_factory=list)


@pytest.fixture
async def web() -> AsyncGenerator[Web]:
    found = Web(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found.heads.append(head)
        length = next((int(line.split(":")[1]) for line in head.splitlines() if "ength" in line), 0)
        body = await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello %s" % (6 + len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


def _proxy(*hosts: str, allow: tuple[str, ...] = ("127.0.0.1", "localhost")) -> FilteringProxy:
    return FilteringProxy(HostPatterns(hosts), EgressPolicy.parse(allow))


async def _asked(proxy: FilteringProxy, sent: bytes) -> str:
    """What the proxy answers to these bytes."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=LIMIT)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(sent)
    async with asyncio.timeout(5):
        text = (await reader.read()).decode()
    writer.close()
    server.close()
    return text


async def test_a_request_is_passed_on(web: Web) -> None:
    target = f"http://localhost:{web.port}/x?y=1"
    sent = f"POST {target} HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\nContent-Length: 3\r\nA: b\r\n\r\nabc"

    text = await _asked(_proxy("localhost"), sent.encode())

    assert text.endswith("hello abc")
    assert web.heads == [
        f"POST /x?y=1 HTTP/1.1\r\nHost: localhost:{web.port}\r\nConnection: close\r\nContent-Length: 3\r\nA: b\r\n\r\n"
    ]


async def test_a_tunnel_is_made(web: Web) -> None:
    sent = f"CONNECT localhost:{web.port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"

    text = await _asked(_proxy("localhost"), sent.encode())

    assert text.startswith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://example.org/ HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT localhost.example.org:443 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT localhost HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT localhost:99999 HTTP/1.1\r\n\r\n", "403"),
        (b"GET /path HTTP/1.1\r\n\r\n", "403"),
        (b"GET ftp://localhost/ HTTP/1.1\r\n\r\n", "403"),
        (b"GET http://user@localhost/ HTTP/1.1\r\n\r\n", "403"),
        (b"nonsense\r\n\r\n", "403"),
        (b"CONNECT localhost:1 HTTP/1.1\r\n\r\n", "502"),
        (b"GET http://localhost/ HTTP/1.1\r\nA: " + b"x" * 70_000, "403"),
    ],
)
async def test_all_else_is_refused(sent: bytes, status: str) -> None:
    assert (await _asked(_proxy("localhost"), sent)).startswith(f"HTTP/1.1 {status} ")


async def test_a_listed_host_at_an_address_inside_is_refused(web: Web) -> None:
    sent = f"GET http://localhost:{web.port}/ HTTP/1.1\r\n\r\n".encode()

    text = await _asked(_proxy("localhost", allow=()), sent)

    assert text.startswith("HTTP/1.1 403")
    assert web.heads == []


@pytest.fixture(params=[BubblewrapSandbox, NsjailSandbox])
def ask(request: pytest.FixtureRequest, base: Path, workspace: Path) -> Ask:
    owner = USER
    network = AllowedNetwork(_proxy("localhost"), owner)
    sandbox = request.param(base / "runs", owner, network)
    if (reason := sandbox.missing()) is not None:
        pytest.skip(f"{sandbox.name}: {reason}")
    if not network.is_possible:
        pytest.skip("no Python in /usr")

    async def ask(text: str) -> str:
        program = Program("import urllib.request\n" + text, "python")
        outcome: Outcome = await sandbox.run(program, workspace, limits=Limits(), commands={})
        return outcome.output

    return ask


async def test_a_program_reaches_a_listed_host(ask: Ask, web: Web) -> None:
    text = await ask(f"print(urllib.request.urlopen('http://localhost:{web.port}/a', data=b'x').read())")

    assert text == "b'hello x'\n"


async def test_a_program_learns_why_another_host_is_refused(ask: Ask) -> None:
    text = await ask(
        "import urllib.error\n"
        "try: urllib.request.urlopen('http://example.org/')\n"
        "except urllib.error.HTTPError as error: print(error.code, error.read())"
    )

    assert text == "403 b'example.org is not among the hosts that programs may reach here.\\n'\n"


async def test_there_is_no_way_round_the_proxy(ask: Ask, web: Web) -> None:
    text = await ask(
        f"import socket\ntry: socket.create_connection(('127.0.0.1', {web.port}), 2)\nexcept OSError as e: print(e)"
    )

    assert "refused" in text
    assert web.heads == []
