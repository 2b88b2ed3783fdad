"""What scripts fetch goes through the guard."""

import httpx
import pytest

from dragoman.adapters.isolates.fetching import guarded_fetch
from dragoman.domain.sandbox.ports import WebRequest, WebResponse
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import InvalidInput


def _client(seen: list[httpx.Request]) -> httpx.AsyncClient:
    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"a": "b"}, content=b"body")

    async def resolver(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]

    return guarded_client(EgressPolicy(), resolver=resolver, transport=httpx.MockTransport(answer))


async def test_a_request_is_sent_as_it_is() -> None:
    seen: list[httpx.Request] = []
    async with _client(seen) as client:
        answer = await guarded_fetch(client)(
            WebRequest(
                "https://example.org/x",
                "PUT",
                {"x-key": "v", "host": "other", "content-length": "9"},
                b"data",
            )
        )

    assert answer == WebResponse(200, {"a": "b", "content-length": "4"}, b"body")
    assert (seen[0].method, seen[0].headers["host"], seen[0].headers["x-key"]) == ("PUT", "example.org", "v")
    assert seen[0].content == b"data"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/x", "file:///etc/passwd", "http://"]
)
async def test_addresses_inside_are_refused(url: str) -> None:
    seen: list[httpx.Request] = []
    async with _client(seen) as client:
        with pytest.raises(InvalidInput):
            await guarded_fetch(client)(WebRequest(url))
    assert seen == []
