"""What chat providers over HTTP have in common: a streaming call with deadlines, and failures in our own
words.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson
import structlog

from dragoman.domain.inference.ports import ModelProfile
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound, ProviderError, QuotaExceeded, TooLarge

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 120.0
_SEND_SECONDS = 30.0
_POOL_SECONDS = 10.0
_ERROR_BYTES = 64 * 1024
_EVENT_BYTES = 16 << 20
_SENTENCE_CHARACTERS = 1000
_CONTEXT_CODES = ("context_length_exceeded", "context_window_exceeded", "exceed_context_size_error")

_OUTSIDE = ModelProfile(outside=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider.

    ``name`` is the catalogue's name, ``model`` the provider's. ``base_url`` ends before ``/chat/completions``
    or
    ``/messages``. ``key`` is sent to that address only and appears in no message or representation.
    """

    name: str
    model: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    profile: ModelProfile = _OUTSIDE
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_seconds: float = CONNECT_SECONDS
    idle_seconds: float = IDLE_SECONDS

    def url(self, path: str) -> str:
        """The address of one of the provider's calls."""
        return self.base_url.rstrip("/") + path

    @property
    def timeout(self) -> httpx.Timeout:
        """The deadlines of a streaming call; reading: between any two pieces."""
        return httpx.Timeout(
            connect=self.connect_seconds, read=self.idle_seconds, write=_SEND_SECONDS, pool=_POOL_SECONDS
        )


@asynccontextmanager
async def posted(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    path: str,
    *,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
) -> AsyncIterator[httpx.Response]:
    """The open response to a streaming call that was accepted; leaving the block hangs up.

    Raises:
        DragomanError: refused or failed, as ``refusal`` says; ProviderError for failures of the
            connection, amid the block too.
    """
    request = client.build_request(
        "POST",
        endpoint.url(path),
        content=orjson.dumps(body),
        headers={
            "content-type": "application/json",
            "accept": "text/event-stream",
            **headers,
            **endpoint.headers,
        },
        timeout=endpoint.timeout,
    )
    try:
        response = await client.send(request, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                raise await refusal(response, endpoint)
            yield response
        finally:
            await response.aclose()
    except ProviderError as error:
        # What a provider says inside its stream may repeat our key; neither the sentence nor its cause may
        # carry it on.
        if (clean := without_key(error.detail, endpoint.key)) == error.detail:
            raise
        raise ProviderError(clean, retryable=error.retryable) from None
    except httpx.TimeoutException as error:
        where = "connect" if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout) else "answer"
        raise ProviderError(
            f"The provider of {endpoint.name!r} did not {where} in time.", retryable=True
        ) from error
    except httpx.TransportError as error:
        log.info("provider.connection_failed", model=endpoint.name, reason=type(error).__name__)
        raise ProviderError(
            f"The connection to the provider of {endpoint.name!r} failed ({type(error).__name__}).",
            retryable=True,
        ) from error


async def sent_data(response: httpx.Response) -> AsyncIterator[str]:
    """The data of each server-sent event; the whole body for a provider that does not stream.

    Lines end at line feeds only: text may hold other characters that Python counts as line ends.

    Raises:
        ProviderError: an event of unreasonable size.
    """
    if "event-stream" not in (kind := response.headers.get("content-type", "")) and "json" in kind:
        yield (await response.aread()).decode("utf-8", "replace")
        return
    data: list[str] = []
    async for line in _lines(response):
        if line.startswith(b"data:"):
            data.append(line[5:].strip().decode("utf-8", "replace"))
        elif not line and data:
            yield "\n".join(data)
            data.clear()
    if data:
        yield "\n".join(data)


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in response.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(rest) > _EVENT_BYTES:
            raise ProviderError("The provider sent an event of unreasonable size.")
    yield rest.rstrip(b"\r")


async def refusal(response: httpx.Response, endpoint: Endpoint) -> DragomanError:
    """The error that an unsuccessful response stands for; its sentence is the provider's where that helps the
    caller.
    """
    code, sentence = await _said(response, endpoint)
    status = response.status_code
    wait = retry_after_seconds(response.headers)
    if status in (401, 403):
        return ProviderError(
            f"The provider of {endpoint.name!r} refused the API key that is set for it (status {status}).",
            code="provider_refused_key",
        )
    if status == 404:
        return NotFound(
            f"The provider does not have the model {endpoint.model!r}: {sentence}",
            param="model",
            code="model_not_found",
        )
    if status == 413:
        return TooLarge(sentence)
    if status == 429:
        return QuotaExceeded(f"The provider is refusing for now: {sentence}", retry_after_seconds=wait)
    if status >= 500 or status in (408, 409, 425):
        error = ProviderError(f"The provider failed with status {status}: {sentence}", retryable=True)
        error.retry_after_seconds = wait
        return error
    if 400 <= status < 500:
        return InvalidInput(sentence, code="context_length_exceeded" if code else None)
    return ProviderError(f"The provider answered with the unexpected status {status}.")


async def _said(response: httpx.Response, endpoint: Endpoint) -> tuple[str, str]:
    """The code of a prompt that is too long, else nothing, and the sentence of an error body, with our key
    blotted out wherever a provider repeats it.
    """
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _ERROR_BYTES:
            break
    code, sentence = "", ""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
        if "html" not in response.headers.get("content-type", ""):
            sentence = body.decode("utf-8", "replace")
    if isinstance(told, dict):
        error = told.get("error", told)
        if isinstance(error, dict):
            code = next(
                (each for each in (error.get("code"), error.get("type")) if each in _CONTEXT_CODES), ""
            )
            sentence = str(error.get("message") or error.get("detail") or "")
        else:
            sentence = str(error)
    return code, without_key(
        " ".join(sentence.split())[:_SENTENCE_CHARACTERS] or "no reason given", endpoint.key
    )


def without_key(text: str, key: str | None) -> str:
    """The text without the key, whole or half masked as some providers repeat it."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(r"\b(sk|key|Bearer)[-_ ][\w*.-]{8,}", "[key]", text)


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """When the provider wants to be asked again: seconds or a date, None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ms() / 1000)
    except ValueError:
        return None
