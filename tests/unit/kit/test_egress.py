import asyncio
import pickle
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest

from dragoman.kit.egress import EgressPolicy, guarded_client, resolve_checked
from dragoman.kit.errors import DeadlineExceeded, DragomanError, InvalidInput, ProviderError, TooLarge

NAMES = {
    "public.example": ["93.184.216.34"],
    "other.example": ["1.1.1.1"],
    "two.example": ["93.184.216.34", "2606:4700::1111"],
    "private.example": ["10.0.0.5"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "loop.example": ["127.0.0.1"],
    "loop6.example": ["::1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::a00:1"],
    "sixtofour.example": ["2002:a00:1::1"],
    "metadata.example": ["169.254.169.254"],
    "cgnat.example": ["100.100.100.100"],
    "scoped.example": ["fe80::1%eth0"],
    "unique.example": ["fd00::1"],
    "teredo.example": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "local-nat64.example": ["64:ff9b:1::a00:1"],
    "translated.example": ["::ffff:0:127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "metadata.azure.internal": ["169.254.169.254"],
    "alibaba-metadata.example": ["100.100.100.200"],
    "aws6.example": ["fd00:ec2::254"],
    "oracle.example": ["192.0.0.192"],
    "kubernetes.default.svc": ["10.96.0.1"],
    "twice.example": ["10.0.0.1", "93.184.216.34"],
    "mixed6.example": ["93.184.216.34", "::1"],
    "words.example": ["not an address"],
    "zero.example": ["0.0.0.0"],
    "nothing.example": [],
    "localhost": ["127.0.0.1"],
    "api.localhost": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
}

HOSTILE = [
    "http://127.0.0.1/", "http://127.0.0.1:6379/", "https://127.0.0.1/", "http://127.1/", "http://127.0.1/",
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./", "http://0/", "http://0.0.0.0/", "http://[::]/", "http://[::1]/",
    "http://[::1]:8080/",
    "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/", "http://[2002:7f00:1::]/", "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00::1]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://10.0.0.1/", "http://172.16.0.1/",
    "http://192.168.0.1/", "http://100.64.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://192.0.0.192/",
    "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://localhost/", "http://LOCALHOST/", "http://api.localhost/", "http://private.example/",
    "http://mixed.example/", "http://loop.example/", "http://loop6.example/", "http://mapped.example/",
    "http://nat64.example/", "http://sixtofour.example/", "http://metadata.example/", "http://cgnat.example/",
    "http://scoped.example/", "http://unique.example/", "http://zero.example/",
    "http://127.0.0.1.nip.example/",
    "http://teredo.example/", "http://local-nat64.example/", "http://translated.example/",
    "http://metadata.google.internal/computeMetadata/v1/", "http://metadata.google.internal./", "http://instance-data/",
    "http://METADATA.azure.internal/", "http://alibaba-metadata.example/", "http://aws6.example/",
    "http://oracle.example/", "https://kubernetes.default.svc/", "http://twice.example/", "http://mixed6.example/",
    "http://words.example/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[64:ff9b:1::a00:1]/",
    "http://[fd00:ec2::254]/", "http://[2001:db8::1]/", "http://0300.0250.0.1/", "http://192.168.257/",
    "http://0xc0.0xa8.0.1/", "http://127.0.0.1:80@public.example:80@10.0.0.1/", "http://localhost./",
    "http://private.example./", "http://PRIVATE.example/", "http://private。example/", "http://private．example/",
    "http://private%2eexample/", "http://10.0.0.1:65536/", "http://public.example:port/", "http://public.example:-1/", "http://public.example:0/",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://user@127.0.0.1/", "http://public.example@127.0.0.1/",
    "http://127.0.0.1#@public.example/", "http://127.0.0.1\\@public.example/",
    "http://public.example\\.evil/",
    "http:// 127.0.0.1/", "http://127.0.0.1\t/", "http://public.example\r\nHost: evil/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x", "ftp://public.example/", "dict://127.0.0.1:11211/", "//127.0.0.1/",
    "127.0.0.1",
    "http://", "http:///path", "http://[::1/", "javascript:alert(1)", "unix:///run/docker.sock", "",
]  # fmt: skip


class Resolver:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, names: dict[str, list[str]] | None = None) -> None:
        self.names = NAMES if names is None else names
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.names.get(host.rstrip("."), [])


class Wire(httpx.AsyncBaseTransport):
    """Takes the place of the network: keeps each request and answers by a function."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer or (lambda _request: httpx.Response(200, content=b"hello"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


async def _get(
    url: str,
    wire: Wire,
    policy: EgressPolicy | None = None,
    resolver: Resolver | None = None,
    **options: Any,
) -> httpx.Response:
    async with guarded_client(
        policy or EgressPolicy(), transport=wire, resolver=resolver or Resolver(), **options
    ) as client:
        return await client.get(url)


@pytest.mark.parametrize("url", HOSTILE)
def test_a_url_that_leads_inside_or_is_malformed_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        asyncio.run(EgressPolicy().check_url(url, Resolver()))
    assert refusal.value.code in ("egress_refused", "invalid_url")


@pytest.mark.parametrize("url", HOSTILE)
def test_nothing_is_sent_for_a_url_that_leads_inside(url: str) -> None:
    wire = Wire()
    with pytest.raises((DragomanError, httpx.InvalidURL)):
        asyncio.run(_get(url, wire))
    assert wire.requests == []


def test_a_refusal_does_not_tell_what_the_name_resolves_to() -> None:
    with pytest.raises(InvalidInput) as refusal:
        asyncio.run(EgressPolicy().check_url("http://private.example/", Resolver()))
    assert "10.0.0.5" not in refusal.value.detail


def test_the_connection_goes_to_the_checked_address_with_the_name_in_host_and_sni() -> None:
    wire, resolver = Wire(), Resolver()
    response = asyncio.run(_get("https://public.example/a?b=c", wire, resolver=resolver))
    (request,) = wire.requests
    assert response.text == "hello"
    assert str(request.url) == "https://93.184.216.34/a?b=c"
    assert request.headers["host"] == "public.example"
    assert request.extensions["sni_hostname"] == "public.example"
    assert resolver.asked == ["public.example"]


def test_a_host_header_of_the_callers_own_is_not_sent() -> None:
    async def call() -> None:
        async with guarded_client(EgressPolicy(), transport=wire, resolver=Resolver()) as client:
            await client.get("http://public.example:8443/", headers={"Host": "inner.example"})

    wire = Wire()
    asyncio.run(call())
    assert wire.requests[0].headers["host"] == "public.example:8443"


def test_an_unreachable_address_is_followed_by_the_names_next_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "93.184.216.34":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=b"second")

    wire = Wire(answer)
    assert asyncio.run(_get("http://two.example/", wire)).text == "second"
    assert [request.url.host for request in wire.requests] == ["93.184.216.34", "2606:4700::1111"]


def _redirecting(request: httpx.Request) -> httpx.Response:
    if request.headers["host"] == "public.example":
        return httpx.Response(302, headers={"location": request.url.params["to"]})
    return httpx.Response(200, content=b"arrived")


def test_a_redirect_is_not_followed_unless_asked_for() -> None:
    wire = Wire(_redirecting)
    assert asyncio.run(_get("http://public.example/?to=http://other.example/", wire)).status_code == 302
    assert len(wire.requests) == 1


def test_each_redirect_is_checked_anew() -> None:
    wire = Wire(_redirecting)
    fine = asyncio.run(_get("http://public.example/?to=http://other.example/", wire, follow_redirects=True))
    assert fine.text == "arrived"
    assert wire.requests[-1].url.host == "1.1.1.1"
    inside = Wire(_redirecting)
    with pytest.raises(InvalidInput):
        asyncio.run(_get("http://public.example/?to=http://127.0.0.1/", inside, follow_redirects=True))
    assert len(inside.requests) == 1


def test_a_name_that_changes_between_check_and_redirect_is_refused() -> None:
    names = {"public.example": ["93.184.216.34"]}

    def rebind(request: httpx.Request) -> httpx.Response:
        names["public.example"] = ["127.0.0.1"]
        return httpx.Response(302, headers={"location": "http://public.example/again"})

    wire = Wire(rebind)
    with pytest.raises(InvalidInput):
        asyncio.run(_get("http://public.example/", wire, resolver=Resolver(names), follow_redirects=True))
    assert len(wire.requests) == 1


def test_an_answer_above_the_bound_is_cut_off() -> None:
    exact = Wire(lambda _request: httpx.Response(200, content=b"x" * 100))
    assert len(asyncio.run(_get("http://public.example/", exact, max_bytes=100)).content) == 100
    with pytest.raises(TooLarge):
        asyncio.run(_get("http://public.example/", exact, max_bytes=99))


def test_a_compressed_answer_is_refused_because_it_may_unpack_to_anything() -> None:
    wire = Wire(
        lambda _request: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Drip([b"zip"]))
    )
    with pytest.raises(ProviderError, match="compressed"):
        asyncio.run(_get("http://public.example/", wire))
    assert wire.requests[0].headers["accept-encoding"] == "identity"


class Drip(httpx.AsyncByteStream):
    """A body of which each piece comes after a pause."""

    def __init__(self, pieces: list[bytes], pause_seconds: float = 0.0) -> None:
        self._pieces = pieces
        self._pause_seconds = pause_seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._pause_seconds)
            yield piece


def test_a_body_that_drips_beyond_the_deadline_is_cut_off() -> None:
    wire = Wire(lambda _request: httpx.Response(200, stream=Drip([b"x"] * 1000, pause_seconds=0.02)))
    with pytest.raises(DeadlineExceeded):
        asyncio.run(_get("http://public.example/", wire, timeout_seconds=0.1))


def test_a_name_without_an_address_is_a_failure_and_not_a_refusal() -> None:
    with pytest.raises(ProviderError):
        asyncio.run(EgressPolicy().check_url("http://nothing.example/", Resolver()))


def test_what_the_operator_lets_through_can_be_called() -> None:
    policy = EgressPolicy.parse(["private.example", "127.0.0.0/8"])
    found = asyncio.run(policy.check_url("http://private.example/", Resolver()))
    assert [str(address) for address in found] == ["10.0.0.5"]
    assert asyncio.run(policy.check_url("http://127.0.0.1:9000/", Resolver()))
    with pytest.raises(InvalidInput):
        asyncio.run(policy.check_url("http://192.168.0.1/", Resolver()))
    with pytest.raises(InvalidInput):
        asyncio.run(policy.check_url("http://2130706433/", Resolver()))


def test_offline_refuses_even_public_addresses_and_asks_no_name_server() -> None:
    resolver = Resolver()
    policy = EgressPolicy.parse(["private.example"], offline=True)
    for url in ("http://public.example/", "http://8.8.8.8/", "http://127.0.0.1/"):
        with pytest.raises(InvalidInput):
            asyncio.run(policy.check_url(url, resolver))
    assert resolver.asked == []
    assert asyncio.run(policy.check_url("http://private.example/", resolver))


def test_the_operators_own_addresses_may_be_inner_and_offline_only_on_this_machine_or_let_through() -> None:
    online = EgressPolicy.parse([]).for_operator()
    assert asyncio.run(resolve_checked(online, "private.example", 80, resolver=Resolver()))
    offline = EgressPolicy.parse(["10.0.0.0/8"], offline=True).for_operator()
    assert asyncio.run(resolve_checked(offline, "127.0.0.1", 80, resolver=Resolver()))
    assert asyncio.run(resolve_checked(offline, "localhost", 80, resolver=Resolver()))
    assert asyncio.run(resolve_checked(offline, "private.example", 80, resolver=Resolver()))
    with pytest.raises(InvalidInput):
        asyncio.run(resolve_checked(offline, "public.example", 80, resolver=Resolver()))
    resolver = Resolver()
    with pytest.raises(InvalidInput):
        asyncio.run(
            resolve_checked(
                EgressPolicy(offline=True, operator=True), "public.example", 80, resolver=resolver
            )
        )
    assert resolver.asked == []


def test_the_real_transport_reaches_a_server_on_this_machine_when_let_through() -> None:
    async def call() -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            host = next(line for line in head.decode().split("\r\n") if line.lower().startswith("host:"))
            body = host.encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        resolver = Resolver({"inner.example": ["127.0.0.1"]})
        async with server, guarded_client(EgressPolicy.parse(["inner.example"]), resolver=resolver) as client:
            response = await client.get(f"http://inner.example:{port}/")
            return response.text

    assert asyncio.run(call()).startswith("Host: inner.example:")


def test_calls_do_not_wait_for_many_others_that_are_under_way() -> None:
    many = 150

    async def call() -> list[int]:
        waiting: list[asyncio.StreamWriter] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            waiting.append(writer)
            if len(waiting) == many:
                for one in waiting:
                    one.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    one.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, guarded_client(EgressPolicy.parse(["127.0.0.1"])) as client:
            answers = await asyncio.gather(*(client.get(url) for _ in range(many)))
        return [one.status_code for one in answers]

    assert asyncio.run(call()) == [204] * many


def test_the_policy_for_a_child_can_be_pickled_and_refuses_the_same() -> None:
    told: list[str] = []
    policy = EgressPolicy.parse(["inner.example"], on_refused=lambda host: told.append(host))
    sent = pickle.loads(pickle.dumps(policy.for_child()))
    assert sent == policy
    assert sent.on_refused is None
