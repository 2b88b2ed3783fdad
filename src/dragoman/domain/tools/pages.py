"""Reading pages and files at addresses that users and models give, as text."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from dragoman.domain.inference.multimodal import TextReader
from dragoman.domain.tools.ports import HtmlReader
from dragoman.kit.egress import parse_url
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError, Unsupported
from dragoman.kit.fetch import Fetched

T = TypeVar("T")

_AT_ONCE = 4
# Servers that refuse programs without a name would refuse us otherwise.
_HEADERS = {
    "user-agent": "Mozilla/5.0 (compatible; Dragoman/0.1)",
    "accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.8",
}
_HTML = ("text/html", "application/xhtml+xml")
_TEXT = re.compile(
    r"(text/.+|application/(.+\+)?(json|xml|yaml|x-yaml|javascript|x-javascript|ecmascript|toml|x-ndjson|sql|graphql))\Z"
)
_NAMED = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The bounds on one page: bytes read of it, seconds from the call to its last byte."""

    page_bytes: int = 5 * 1024**2
    seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The beginning of a file and what its server said about it. ``url`` is where it was found in the end."""

    url: str
    file: Fetched
    name: str
    cut: bool


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page as text. ``cut``: only its beginning was read."""

    url: str
    title: str
    text: str
    media_type: str
    cut: bool = False


class PageReader:
    """Gets pages through a guarded client and turns them into text.

    Args:
        client: guarded; its bound on size lies above that of a page.
        html: finds a page's text; None = HTML is read like any other file.
        files: reads files of other types; None when there is nothing to read them with.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        html: HtmlReader | None,
        files: TextReader | None,
        limits: PageLimits,
    ) -> None:
        self._client = client
        self._html = html
        self._files = files
        self._limits = limits

    async def load(self, url: str) -> Loaded:
        """The file at the address, its beginning when it is large. Redirects are followed, each checked.

        Raises:
            InvalidInput: the address may not be called.
            DeadlineExceeded: it did not come in time.
            ProviderError: any other failure, a status other than success too.
        """
        parse_url(url)
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._loaded(url)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{url} did not come within {self._limits.seconds:g} seconds.", code="fetch_timeout"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderError(
                f"{url} could not be read ({type(error).__name__}).", retryable=True, code="fetch_failed"
            ) from error

    async def _loaded(self, url: str) -> Loaded:
        kept, size, most = list[bytes](), 0, self._limits.page_bytes
        async with self._client.stream("GET", url, headers=_HEADERS, follow_redirects=True) as response:
            if not response.is_success:
                raise ProviderError(
                    f"{url} answered with status {response.status_code}.", code="fetch_failed"
                )
            async for piece in response.aiter_bytes():
                kept.append(piece)
                size += len(piece)
                if size > most:
                    break
        found = str(response.url)
        data = b"".join(kept)[:most]
        file = Fetched(data, response.headers.get("content-type"))
        return Loaded(found, file, _name(found, response.headers.get("content-disposition", "")), size > most)

    async def read(self, url: str) -> WebPage:
        """The page as text.

        Raises:
            InvalidInput: the address may not be called.
            Unsupported: what is there is no text and cannot be made into one.
            DragomanError: it could not be had or read.
        """
        return await self.text_of(await self.load(url))

    async def text_of(self, loaded: Loaded) -> WebPage:
        """A file as text.

        Raises:
            DragomanError: what is there is no text and cannot be made into one.
        """
        file, kind = loaded.file, loaded.file.media_type or _guessed(loaded.file.data)
        title, text = loaded.name, ""
        if kind in _HTML and self._html is not None:
            charset = _CHARSET.search(file.content_type or "")
            found = await self._html.readable(
                file.data, url=loaded.url, charset=charset.group(1) if charset else None
            )
            title, text = found.title or loaded.name, found.text
        elif kind not in _HTML and _TEXT.match(kind):
            text = file.text.removeprefix("\ufeff")
        elif loaded.cut:
            raise Unsupported(
                f"{loaded.url} is a file of type {kind} above {self._limits.page_bytes} bytes, which is not read.",
                code="page_too_large",
            )
        elif self._files is None:
            raise Unsupported(f"{loaded.url} is a file of type {kind}, which cannot be read here.")
        else:
            text = await self._files.text(file.data, name=loaded.name, media_type=kind)
        return WebPage(loaded.url, title, text.strip().replace("\x00", ""), kind, loaded.cut)

    async def read_all(self, urls: list[str]) -> list[WebPage | DragomanError]:
        """The pages in the same order, a few at a time; in place of one that could not be had its failure."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(url: str) -> WebPage | DragomanError:
            async with slots:
                try:
                    return await self.read(url)
                except DragomanError as error:
                    return error

        return list(await asyncio.gather(*(one(url) for url in urls)))


def _name(url: str, disposition: str) -> str:
    """The file's name as its server gives it, else the last part of the path, else the host."""
    named = _NAMED.search(disposition)
    text = unquote(named.group(1) if named else urlsplit(url).path)
    name = PurePosixPath(text.replace("\\", "/")).name
    return "".join(c for c in name if c.isprintable())[:200] or urlsplit(url).hostname or "page"


def _guessed(data: bytes) -> str:
    head = data[:1024].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return "application/octet-stream" if b"\x00" in head else "text/plain"
