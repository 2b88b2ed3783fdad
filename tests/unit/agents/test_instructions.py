"""Texts at addresses: fetched once, renewed in time, kept when their address fails."""

import httpx
import pytest

from dragoman.domain.agents.instructions import InstructionSources
from dragoman.domain.tools.spec import RemoteSource
from dragoman.kit.fetch import Fetcher

SOURCE = RemoteSource(name="rules", url="http://rules.example/x", cache_seconds=60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def answers() -> list[httpx.Response]:
    return []


async def test_a_text_is_kept_for_its_time_and_beyond_while_its_address_fails(
    answers: list[httpx.Response],
) -> None:
    clock = Clock()
    asked: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(clock.now)
        return answers.pop(0)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        sources = InstructionSources(Fetcher(client), monotonic=clock)
        answers += [httpx.Response(200, text=" one "), httpx.Response(500), httpx.Response(200, text="two")]
        assert await sources.texts([SOURCE]) == ("one",)
        clock.now += 59
        assert await sources.texts([SOURCE]) == ("one",)
        clock.now += 2
        assert await sources.texts([SOURCE]) == ("one",)
        assert await sources.texts([SOURCE]) == ("one",), "a failing address is let alone for a while"
        clock.now += 31
        assert await sources.texts([SOURCE]) == ("two",)
    assert asked == [1000.0, 1061.0, 1092.0]


async def test_other_headers_may_show_another_text() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers.get("x-who", "nobody"))

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        sources = InstructionSources(Fetcher(client))
        mine = SOURCE.model_copy(update={"headers": {"x-who": "me"}})
        assert await sources.texts([SOURCE, mine]) == ("nobody", "me")


async def test_headers_are_not_carried_to_where_an_address_redirects() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/x":
            return httpx.Response(302, headers={"location": "http://other.example/y"})
        return httpx.Response(200, text="moved")

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        sources = InstructionSources(Fetcher(client))
        secret = SOURCE.model_copy(update={"headers": {"x-key": "k"}})
        assert await sources.texts([SOURCE, secret]) == ("moved",)
