"""Whether addresses in a text can be reached."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from dragoman.kit.errors import DragomanError

_LINK = re.compile(r"https?://[^\s<>\"'`\]\[{}|\\^]+", re.IGNORECASE)
_TRAILING = ".,;:!?"
_AT_ONCE = 8
# Many servers refuse HEAD, or answer it otherwise than GET.
_ASK_AGAIN = 400


@dataclass(frozen=True, slots=True)
class LinkState:
    """What asking for an address came to; ``status`` None = no answer, and ``problem`` says why."""

    url: str
    status: int | None
    problem: str | None = None

    @property
    def broken(self) -> bool:
        """Whether nobody will find anything there."""
        return self.status is None or self.status >= _ASK_AGAIN


def links_in(text: str) -> list[str]:
    """The http(s) addresses of a text, each once, in their order."""
    found: dict[str, None] = {}
    for match in _LINK.finditer(text):
        url = match.group().rstrip(_TRAILING)
        while url.endswith(")") and url.count("(") < url.count(")"):
            url = url[:-1].rstrip(_TRAILING)
        found[url] = None
    return list(found)


class LinkChecker:
    """Asks for addresses through a guarded client, whose bounds on size and time hold; nothing is read."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def check(self, url: str) -> LinkState:
        """What the address answers after redirects."""
        async with self._free:
            try:
                status = await self._status("HEAD", url)
                if status >= _ASK_AGAIN:
                    status = await self._status("GET", url)
            except httpx.InvalidURL:
                return LinkState(url, None, "The address is not a URL.")
            except httpx.HTTPError as error:
                return LinkState(url, None, f"The address could not be reached ({type(error).__name__}).")
            except DragomanError as error:
                return LinkState(url, None, error.detail)
        return LinkState(url, status)

    async def check_all(self, urls: Sequence[str]) -> list[LinkState]:
        """The same for many, a few at a time, in their order."""
        return list(await asyncio.gather(*(self.check(url) for url in urls)))

    async def _status(self, method: str, url: str) -> int:
        async with self._client.stream(method, url, follow_redirects=True) as response:
            return response.status_code
