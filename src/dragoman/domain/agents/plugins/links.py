"""Whether links lead anywhere: each is called once, a few at a time, through the guard on users' addresses."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import httpx

from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner

_URL = re.compile(r"""https?://[^\s<>"'`\\^{}|]{1,2000}""", re.IGNORECASE)
_TRAILING = ".,;:!?*_"
_BRACKETS = {")": "(", "]": "["}
_AT_ONCE = 8
# What servers answer that do not let HEAD through, though the page is there.
_ASK_AGAIN = frozenset({400, 401, 403, 404, 405, 406, 429, 500, 501, 503})


@dataclass(frozen=True, slots=True)
class CheckedLink:
    """``status`` is None when no answer came; ``problem`` says why, or what the status means."""

    url: str
    status: int | None
    final_url: str | None = None
    problem: str | None = None

    @property
    def good(self) -> bool:
        """Whether the link leads somewhere."""
        return self.problem is None


def links_in(text: str) -> list[str]:
    """The addresses in a text, in order, each once."""
    return list(dict.fromkeys(_trimmed(found) for found in _URL.findall(text)))


def _trimmed(url: str) -> str:
    while url:
        last = url[-1]
        opening = _BRACKETS.get(last)
        if last in _TRAILING or (opening is not None and url.count(last) > url.count(opening)):
            url = url[:-1]
        else:
            break
    return url


class LinkChecker:
    """Checks links through a guarded client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def check(self, urls: Sequence[str]) -> AsyncGenerator[CheckedLink]:
        """The links as their answers come, at most eight under way; closing early ends the others."""
        waiting = iter(urls)
        owner = TaskOwner()
        under_way: set[asyncio.Task[CheckedLink]] = set()
        try:
            while True:
                while len(under_way) < _AT_ONCE and (url := next(waiting, None)) is not None:
                    under_way.add(owner.start(self._one(url), name="links.check"))
                if not under_way:
                    return
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            await owner.close()

    async def _one(self, url: str) -> CheckedLink:
        try:
            status, final = await self._status("HEAD", url)
            if status in _ASK_AGAIN:
                status, final = await self._status("GET", url)
        except DragomanError as error:
            return CheckedLink(url, None, problem=error.detail)
        except httpx.TooManyRedirects:
            return CheckedLink(url, None, problem="It redirects too often.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return CheckedLink(url, None, problem=f"No answer ({type(error).__name__}).")
        problem = None if status < 400 else f"It answers with status {status}."
        return CheckedLink(url, status, final if final != url else None, problem)

    async def _status(self, method: str, url: str) -> tuple[int, str]:
        async with self._client.stream(method, url) as response:
            return response.status_code, str(response.url)
