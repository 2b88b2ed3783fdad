"""HTML as PDF, by WeasyPrint. What the document refers to is fetched through the guard, or not at all."""

import asyncio

import httpx
from weasyprint import HTML
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import DragomanError

_FETCH_SECONDS = 10.0
_FETCH_BYTES = 10 * 1024 * 1024
_MOST_FETCHES = 40
_REFUSED = "only https:, http: and data: addresses are read"


class GuardedFetcher(URLFetcher):
    """Fetches what a document refers to: by ``data:`` or through the egress guard; a file of this machine never."""

    def __init__(self, policy: EgressPolicy) -> None:
        super().__init__(allowed_protocols=("data",), allow_redirects=False)
        self._policy = policy
        self._left = _MOST_FETCHES

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """What is at the address.

        Raises:
            ValueError: it is not fetched; WeasyPrint leaves it out of the document.
        """
        scheme = url.partition(":")[0].lower()
        if scheme == "data":
            return super().fetch(url, headers)
        if scheme not in ("http", "https"):
            raise ValueError(_REFUSED)
        self._left -= 1
        if self._left < 0:
            raise FatalURLFetchingError(f"the document refers to more than {_MOST_FETCHES} files")
        try:
            return asyncio.run(self._get(url))
        except (DragomanError, httpx.HTTPError) as error:
            raise ValueError(str(error)) from error

    async def _get(self, url: str) -> URLFetcherResponse:
        async with guarded_client(
            self._policy, timeout_seconds=_FETCH_SECONDS, max_bytes=_FETCH_BYTES, follow_redirects=True
        ) as client:
            answer = await client.get(url)
            if not answer.is_success:
                raise ValueError(f"{url} answered with status {answer.status_code}")
            kind = answer.headers.get("content-type", "application/octet-stream")
            return URLFetcherResponse(str(answer.url), answer.content, {"Content-Type": kind})


def pdf(text: str, policy: EgressPolicy) -> bytes:
    """The document printed.

    Raises:
        ValueError: it cannot be laid out.
    """
    try:
        printed = HTML(string=text, url_fetcher=GuardedFetcher(policy)).write_pdf()
    except FatalURLFetchingError as error:
        raise ValueError(str(error)) from error
    assert isinstance(printed, bytes)
    return printed
