"""The HTTP/1.1 client against a server that sends exactly what each test says."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dragoman.kit.errors import InvalidInput
from dragoman.kit.http1 import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionBroken,
    Http1Client,
    IdleTimeout,
    PoolExhausted,
)
from scripted_server import Exchange, ScriptedServer

BOUND_SECONDS = 5


@pytest.fixture
async def client() -> AsyncGenerator[Http1Client]:
    made = Http1Client()
    yield made
    made.close()


@pytest.fixture(autouse=True)
async def bounded() -> AsyncGenerator[None]:
    async with asyncio.timeout(BOUND_SECONDS):
        yield


async def hello(exchange: Exchange) -> None:
    await exchange.answer(b"hello")


async def fetch(client: Http1Client, url: str, body: bytes = b"") -> bytes:
    with await client.request("POST", url, (), body) as response:
        return await response.read(1 << 20)


async def until(condition: object) -> None:
    """Waits, within the test's bound, until the callable says so."""
    assert callable(condition)
    while not condition():  # noqa: ASYNC110 - the other side is not ours to signal
        await asyncio.sleep(0.005)


async def test_a_request_arrives_as_it_was_given(client: Http1Client) -> None:
    async with ScriptedServer(hello) as server:
        response = await client.request("POST", server.url + "/a/b?c=d", [(b"x-one", b"1")], b"{}")
        assert (response.status, await response.read(100)) == (200, b"hello")
        assert response.header(b"content-length") == b"5"
        (exchange,) = server.exchanges
        assert exchange.body == b"{}"
        assert exchange.head.splitlines()[:2] == [
            b"POST /a/b?c=d HTTP/1.1",
            f"host: 127.0.0.1:{server.port}".encode(),
        ]
        assert b"x-one: 1\r\n" in exchange.head


async def test_a_kept_connection_carries_the_next_request(client: Http1Client) -> None:
    async with ScriptedServer(hello) as server:
        for _ in range(3):
            assert await fetch(client, server.url) == b"hello"
        assert server.connections == 1


async def test_a_connection_that_the_server_ends_is_not_kept(client: Http1Client) -> None:
    async def once(exchange: Exchange) -> None:
        await exchange.answer(b"bye", headers="connection: close\r\n")

    async with ScriptedServer(once) as server:
        assert await fetch(client, server.url) == b"bye"
        assert await fetch(client, server.url) == b"bye"
        assert server.connections == 2


async def test_a_dead_kept_connection_is_replaced_once(client: Http1Client) -> None:
    async def dies_on_second(exchange: Exchange) -> None:
        if exchange.connection == 1 and exchange.body == b"2":
            exchange.drop()
        else:
            await exchange.answer(b"ok")

    async with ScriptedServer(dies_on_second) as server:
        assert await fetch(client, server.url, b"1") == b"ok"
        assert await fetch(client, server.url, b"2") == b"ok"
        assert [exchange.connection for exchange in server.exchanges] == [1, 1, 2]


async def test_a_new_connection_that_dies_is_not_tried_again(client: Http1Client) -> None:
    async def drop(exchange: Exchange) -> None:
        exchange.drop()

    async with ScriptedServer(drop) as server:
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url)
        assert len(server.exchanges) == 1


async def test_nothing_is_tried_again_once_a_byte_came(client: Http1Client) -> None:
    async def half(exchange: Exchange) -> None:
        if exchange.body == b"2":
            await exchange.write(b"HTTP/1.1 200 OK\r\nconte")
            exchange.writer.close()
        else:
            await exchange.answer(b"ok")

    async with ScriptedServer(half) as server:
        await fetch(client, server.url, b"1")
        with pytest.raises(ConnectionBroken) as caught:
            await fetch(client, server.url, b"2")
        assert caught.value.answered
        assert len(server.exchanges) == 2


async def test_each_piece_is_handed_out_before_the_next_is_sent(client: Http1Client) -> None:
    taken: asyncio.Queue[None] = asyncio.Queue()

    async def in_step(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(20):
            await exchange.chunk(b"piece %d" % number)
            await taken.get()
        await exchange.chunk(b"")

    async with ScriptedServer(in_step) as server:
        pieces: list[bytes] = []
        response = await client.request("GET", server.url)
        async for piece in response:
            pieces.append(piece)
            taken.put_nowait(None)
        assert pieces == [b"piece %d" % number for number in range(20)]


async def test_a_body_without_length_lasts_until_the_connection_ends(client: Http1Client) -> None:
    async def unframed(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        exchange.writer.close()

    async with ScriptedServer(unframed) as server:
        assert await fetch(client, server.url) == b"all of it"


async def test_a_body_shorter_than_promised_fails_after_its_pieces(client: Http1Client) -> None:
    async def short(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")
        exchange.writer.close()

    async with ScriptedServer(short) as server:
        response = await client.request("GET", server.url)
        assert await response.next_piece() == b"12345"
        with pytest.raises(ConnectionBroken):
            await response.next_piece()


async def test_interim_answers_are_passed_over_and_redirects_handed_back(client: Http1Client) -> None:
    async def moved(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await exchange.answer(b"", status="302 Found", headers="location: /elsewhere\r\n")

    async with ScriptedServer(moved) as server:
        response = await client.request("GET", server.url)
        assert (response.status, response.header(b"location")) == (302, b"/elsewhere")
        assert await response.read(10) == b""
        assert len(server.exchanges) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=["not http", "long header", "many headers", "two answers", "upgrade"],
)
async def test_an_answer_that_is_not_as_it_should_be_closes_the_connection(
    client: Http1Client, answer: bytes
) -> None:
    async def odd(exchange: Exchange) -> None:
        await exchange.write(answer)
        await exchange.until_hang_up()

    async with ScriptedServer(odd) as server:
        try:
            response = await client.request("GET", server.url)
            await response.read(100)
        except ConnectionBroken:
            pass
        await until(lambda: server.exchanges[0].hung_up)


async def test_a_body_above_the_readers_bound_is_refused(client: Http1Client) -> None:
    async def large(exchange: Exchange) -> None:
        await exchange.answer(b"x" * 5000)

    async with ScriptedServer(large) as server:
        response = await client.request("GET", server.url)
        with pytest.raises(BodyTooLarge):
            await response.read(4999)


async def test_cancelling_a_request_closes_its_connection_at_once(client: Http1Client) -> None:
    arrived = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        arrived.set()
        await exchange.until_hang_up()

    async with ScriptedServer(silent) as server:
        task = asyncio.ensure_future(client.request("GET", server.url))  # noqa: TID251 - owned by the test
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: server.exchanges[0].hung_up)


async def test_leaving_a_response_early_closes_its_connection(client: Http1Client) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(b"first")
        await exchange.until_hang_up()

    async with ScriptedServer(endless) as server:
        with await client.request("GET", server.url) as response:
            assert await response.next_piece() == b"first"
        await until(lambda: server.exchanges[0].hung_up)


async def test_silence_beyond_the_idle_deadline_ends_the_exchange() -> None:
    async def stalls(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(b"first")
        await exchange.until_hang_up()

    client = Http1Client(idle_seconds=0.2)
    async with ScriptedServer(stalls) as server:
        response = await client.request("GET", server.url)
        assert await response.next_piece() == b"first"
        with pytest.raises(IdleTimeout):
            await response.next_piece()
        await until(lambda: server.exchanges[0].hung_up)
    client.close()


async def test_a_slow_reader_stops_the_sender_and_is_not_taken_for_silence() -> None:
    total = 64 * 1024 * 1024
    sent = 0

    async def floods(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        for _ in range(total // 65536):
            await exchange.write(b"x" * 65536)
            sent += 65536

    client = Http1Client(idle_seconds=0.2)
    async with ScriptedServer(floods) as server:
        response = await client.request("GET", server.url)
        await asyncio.sleep(0.6)
        assert sent < total // 2
        assert sum([len(piece) async for piece in response]) == total
    client.close()


async def test_a_request_waits_its_turn_when_all_connections_are_busy() -> None:
    release = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await release.wait()
        await exchange.answer(b"ok")

    client = Http1Client(maximum_connections=1)
    async with ScriptedServer(held) as server, asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(client, server.url)) for _ in range(3)]
        await until(lambda: len(server.exchanges) == 1)
        release.set()
        assert [await task for task in tasks] == [b"ok"] * 3
        assert server.connections == 1
    client.close()


async def test_no_turn_within_the_connect_deadline_is_an_error() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.until_hang_up()

    client = Http1Client(maximum_connections=1, connect_seconds=0.1)
    async with ScriptedServer(silent) as server:
        held = asyncio.ensure_future(fetch(client, server.url))  # noqa: TID251 - owned by the test
        await until(lambda: server.exchanges)
        with pytest.raises(PoolExhausted):
            await fetch(client, server.url)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
    client.close()


async def test_a_turn_is_passed_on_when_its_waiter_gives_up() -> None:
    release = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await release.wait()
        await exchange.answer(b"ok")

    client = Http1Client(maximum_connections=1)
    async with ScriptedServer(held) as server, asyncio.TaskGroup() as group:
        first = group.create_task(fetch(client, server.url))
        await until(lambda: len(server.exchanges) == 1)
        gives_up = group.create_task(fetch(client, server.url))
        last = group.create_task(fetch(client, server.url))
        await asyncio.sleep(0)
        release.set()
        assert await first == b"ok"
        gives_up.cancel()
        assert await last == b"ok"
    client.close()


async def test_a_refused_connection_names_the_reason(client: Http1Client) -> None:
    async with ScriptedServer(hello) as server:
        port = server.port
    with pytest.raises(ConnectFailed, match="refused"):
        await fetch(client, f"http://127.0.0.1:{port}")


async def test_connections_go_to_what_the_resolver_gives() -> None:
    asked: list[tuple[str, int]] = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    client = Http1Client(resolver=resolver)
    async with ScriptedServer(hello) as server:
        url = f"http://models.example.test:{server.port}/"
        assert await fetch(client, url) == b"hello"
        assert await fetch(client, url) == b"hello"
        assert asked == [("models.example.test", server.port)]
        assert f"host: models.example.test:{server.port}".encode() in server.exchanges[0].head
    client.close()


async def test_what_the_resolver_refuses_reaches_the_caller() -> None:
    async def guard(host: str, port: int) -> list[str]:
        raise InvalidInput("not this one")

    client = Http1Client(resolver=guard)
    with pytest.raises(InvalidInput, match="not this one"):
        await fetch(client, "http://inside.example.test/")


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http:///x", "http://a b/", "http://u:p@a/", "http://a/\r\nx: y", "http://ä/"]
)
async def test_a_url_that_cannot_be_called_is_refused(client: Http1Client, url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        await client.request("GET", url)


async def test_a_header_with_a_line_break_is_refused(client: Http1Client) -> None:
    with pytest.raises(ValueError, match="line break"):
        await client.request("GET", "http://127.0.0.1:1/", [(b"a", b"b\r\nc: d")])


async def test_kept_connections_close_after_their_time() -> None:
    client = Http1Client(keep_seconds=0.1)
    async with ScriptedServer(hello) as server:
        await fetch(client, server.url)
        await until(lambda: server.closed == 1)
    client.close()


async def test_closing_the_client_fails_what_is_under_way(client: Http1Client) -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.until_hang_up()

    async with ScriptedServer(silent) as server:
        task = asyncio.ensure_future(fetch(client, server.url))  # noqa: TID251 - owned by the test
        await until(lambda: server.exchanges)
        client.close()
        with pytest.raises(ConnectionBroken):
            await task
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url)


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(
        cadata=certificate.public_bytes(serialization.Encoding.PEM).decode()
    )


async def test_tls_checks_the_name_though_the_connection_goes_to_a_given_address(tmp_path: Path) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    served, trusting = _certificate(tmp_path, "models.example.test")
    client = Http1Client(resolver=resolver, tls=trusting)
    async with ScriptedServer(hello, tls=served) as server:
        assert await fetch(client, f"https://models.example.test:{server.port}/") == b"hello"
        with pytest.raises(ConnectFailed, match="TLS"):
            await fetch(client, f"https://other.example.test:{server.port}/")
    client.close()
