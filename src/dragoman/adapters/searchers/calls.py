"""Calling a search provider: again when it is worth it, and its refusals in words."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import orjson

from dragoman.kit.errors import DeadlineExceeded, InvalidInput, ProviderError, QuotaExceeded, Unavailable
from dragoman.kit.jsontypes import JsonObject

_TRIES = 3
_LONGEST_PAUSE_SECONDS = 3.0
_AGAIN = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class ProviderCalls:
    """A provider's address behind a guarded client.

    ``pause_seconds`` before the second try; it doubles for each further one, unless the provider says how long.
    """

    client: httpx.AsyncClient
    name: str
    seconds: float = 15.0
    pause_seconds: float = 0.4

    async def get(
        self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The provider's answer of success.

        Raises:
            Unavailable: key, address or plan are not right, or the server is offline.
            QuotaExceeded: no more searches for now.
            DeadlineExceeded: no answer in time.
            ProviderError: any other failure.
        """
        try:
            async with asyncio.timeout(self.seconds):
                return await self._tried(url, params, headers or {})
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"The search provider {self.name} did not answer within {self.seconds:g} seconds."
            ) from error

    async def _tried(
        self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str]
    ) -> httpx.Response:
        failure: httpx.Response | httpx.HTTPError | None = None
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(self._pause(number, failure))
            try:
                response = await self.client.get(url, params=dict(params), headers=dict(headers))
            except httpx.HTTPError as error:
                failure = error
                continue
            except InvalidInput as error:
                # The guard's word is about the operator's address, not about what was searched for.
                raise Unavailable(error.detail, code="search_unavailable") from error
            if response.status_code not in _AGAIN:
                return self._checked(response)
            failure = response
        if isinstance(failure, httpx.Response):
            return self._checked(failure)
        raise ProviderError(
            f"The search provider {self.name} could not be reached ({type(failure).__name__}).",
            retryable=True,
            code="search_failed",
        ) from failure

    def _pause(self, number: int, failure: httpx.Response | httpx.HTTPError | None) -> float:
        wanted = failure.headers.get("retry-after", "") if isinstance(failure, httpx.Response) else ""
        seconds = float(wanted) if wanted.isdecimal() else self.pause_seconds * 2 ** (number - 1)
        return min(seconds, _LONGEST_PAUSE_SECONDS)

    def _checked(self, response: httpx.Response) -> httpx.Response:
        status = response.status_code
        if response.is_success:
            return response
        if status in (401, 403):
            raise Unavailable(
                f"The search provider {self.name} refused the search (status {status}): the operator checks "
                f"search.api_key and search.url.{_said(response)}",
                code="search_refused",
            )
        if status == 429:
            raise QuotaExceeded(
                f"The search provider {self.name} takes no more searches for now.", code="search_quota"
            )
        raise ProviderError(
            f"The search provider {self.name} answered with status {status}.{_said(response)}",
            retryable=status >= 500,
            code="search_failed",
        )

    async def get_json(
        self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> JsonObject:
        """The JSON object of the answer.

        Raises:
            ProviderError: it is no JSON object.
            DragomanError: as ``get`` says.
        """
        response = await self.get(url, params, {"accept": "application/json", **(headers or {})})
        try:
            value = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise ProviderError(
                f"The search provider {self.name} sent no JSON object; the operator checks search.url.",
                code="search_failed",
            )
        return value


def _said(response: httpx.Response) -> str:
    """What the provider says in its own error body, where it has the usual form."""
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return f" It says: {value[:300]}" if isinstance(value, str) else ""
