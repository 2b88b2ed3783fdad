"""Getting a file from an address that a user gives."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from dragoman.kit.errors import ProviderError
from dragoman.kit.header_lines import header_lines

_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file and what its server said about it."""

    data: bytes
    content_type: str | None = None

    @property
    def media_type(self) -> str | None:
        """The content type without its parameters."""
        return self.content_type.split(";")[0].strip().lower() or None if self.content_type else None

    @property
    def text(self) -> str:
        """The content as text, by the charset that was named, else UTF-8."""
        named = _CHARSET.search(self.content_type or "")
        try:
            return self.data.decode(named.group(1) if named else "utf-8", "replace")
        except LookupError:
            return self.data.decode("utf-8", "replace")


class Fetcher:
    """Gets files through a guarded client, whose bounds on size and time hold."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """The file. Redirects are followed only without headers, which may hold keys for that address alone.

        Raises:
            InvalidInput: the address may not be called.
            TooLarge: it is above the client's bound.
            DeadlineExceeded: it did not come in time.
            ProviderError: any other failure, a status other than success too.
        """
        try:
            response = await self._client.get(
                url, headers=header_lines(headers) if headers else None, follow_redirects=not headers
            )
        except httpx.InvalidURL as error:
            raise ProviderError("The address is not a URL.", code="invalid_url") from error
        except httpx.HTTPError as error:
            raise ProviderError(
                f"The address could not be read ({type(error).__name__}).",
                retryable=True,
                code="fetch_failed",
            ) from error
        if not response.is_success:
            raise ProviderError(
                f"The address answered with status {response.status_code}.", code="fetch_failed"
            )
        return Fetched(response.content, response.headers.get("content-type"))
