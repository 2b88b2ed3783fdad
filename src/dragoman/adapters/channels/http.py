"""Calls of messaging services: JSON in, JSON out, failures in the house's words."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, cast

import httpx
import orjson

from dragoman.domain.chat.channels.ports import Fetched, OutgoingMedia
from dragoman.kit.errors import InvalidInput, ProviderError
from dragoman.kit.fetch import Fetcher

_LONGEST_REASON = 200
_ANY = "application/octet-stream"


class ServiceHttp:
    """The way to one kind of service.

    Args:
        client: bounded in time and size, and guarded where the address is a user's.
        media: gets files from addresses that the service names.
    """

    def __init__(self, client: httpx.AsyncClient, media: Fetcher) -> None:
        self._client = client
        self._media = media

    async def call(
        self,
        method: str,
        url: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that the service answers, empty when it answers none.

        Raises:
            ProviderError: it failed, refused, or could not be reached.
            InvalidInput: its address may not be called.
        """
        content = None if body is None else orjson.dumps(body)
        named = {"content-type": "application/json", **(headers or {})}
        try:
            response = await self._client.request(method, url, content=content, headers=named)
        except httpx.InvalidURL as error:
            raise ProviderError("The service's address is not a URL.", code="invalid_url") from error
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            raise _refused(response)
        return _object(response.content)

    async def upload(
        self,
        url: str,
        fields: Mapping[str, str],
        name: str,
        file: tuple[str, bytes, str],
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that the service answers to a form with one file: its name, content and media type.

        Raises:
            ProviderError: as ``call``.
        """
        try:
            response = await self._client.post(url, data=dict(fields), files={name: file}, headers=headers)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            raise _refused(response)
        return _object(response.content)

    async def file(self, url: str, mime: str | None, filename: str | None = None) -> Fetched:
        """The file at an address.

        Raises:
            DragomanError: it cannot be had.
        """
        got = await self._media.get(url)
        return Fetched(got.data, mime or got.media_type or "application/octet-stream", filename)


def _unreachable(error: httpx.HTTPError) -> ProviderError:
    return ProviderError(
        f"The messaging service cannot be reached ({type(error).__name__}).",
        retryable=True,
        code="channel_unreachable",
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content) if content.strip() else {}
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _refused(response: httpx.Response) -> ProviderError:
    status = response.status_code
    reason = " ".join(response.text.split())[:_LONGEST_REASON]
    error = ProviderError(
        f"The messaging service answered with status {status}: {reason}".rstrip(": "),
        retryable=status == 429 or status >= 500,
        code="channel_refused",
    )
    error.retry_after_seconds = _retry_after(response)
    return error


def _retry_after(response: httpx.Response) -> float | None:
    named = response.headers.get("retry-after", "")
    parameters = _object(response.content).get("parameters")
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(asked, int | float):
        return float(asked)
    return float(named) if named.isdigit() else None


def data_url(media: OutgoingMedia) -> str:
    """The media with their content in them where it is at hand, else their address."""
    if media.data is None:
        return media.reference
    return f"data:{media.mime or _ANY};base64,{b64encode(media.data).decode('ascii')}"


def body_of(content: bytes) -> dict[str, Any]:
    """The JSON object of a call from a service.

    Raises:
        InvalidInput: it is none.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("The body is not JSON.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def text_of(value: object) -> str:
    """The text, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def object_of(value: object) -> dict[str, Any]:
    """The object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def moment_of(value: object, *, seconds: bool) -> int | None:
    """A moment in milliseconds of a number or the text of one."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value * 1000) if seconds else int(value)
