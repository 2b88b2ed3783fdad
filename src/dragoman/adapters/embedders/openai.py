"""An embedder behind any OpenAI-compatible ``/embeddings`` address."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import httpx
import numpy as np
import structlog

from dragoman.domain.inference.ports import EmbedderProfile, Vectors
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import DeadlineExceeded, ProviderError
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

_INPUTS_PER_CALL = 64
_TRIES = 4
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 20.0
_QUOTED_CHARS = 300


@dataclass(frozen=True, slots=True)
class OpenAIEmbedderSpec:
    """Where the embedder is and what it makes.

    ``url`` ends in ``/embeddings``. ``dimensions`` is what vectors must have; ``send_dimensions`` asks the
    provider for that length (models that can shorten theirs). Prefixes are put before texts as the model's
    authors say. ``timeout_seconds`` is for one try.
    """

    url: str
    model: str
    dimensions: int
    api_key: str | None = None
    max_tokens: int = 8191
    send_dimensions: bool = False
    query_prefix: str = ""
    passage_prefix: str = ""
    timeout_seconds: float = 30.0
    outside: bool = True

    @property
    def profile(self) -> EmbedderProfile:
        """The profile; its fingerprint changes with anything that changes vectors, the address included."""
        made_by = text_digest("\0".join((self.url, self.model, self.query_prefix, self.passage_prefix)))[:12]
        return EmbedderProfile(
            name=self.model,
            fingerprint=f"{self.model[:80]}@{made_by}/openai/{self.dimensions}",
            dimensions=self.dimensions,
            max_tokens=self.max_tokens,
            outside=self.outside,
        )


class OpenAIEmbedder:
    """An ``Embedder`` over HTTP.

    Args:
        client: shared, without redirects; its owner closes it.
        spec: where and what.
        sleep: waits between tries.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        spec: OpenAIEmbedderSpec,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._spec = spec
        self._profile = spec.profile
        self._sleep = sleep

    @property
    def profile(self) -> EmbedderProfile:
        """Name, fingerprint and sizes."""
        return self._profile

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]``, by calls of at most 64 texts, one after the other.

        Raises:
            ProviderError: refused, failed after four tries, or an answer of another shape; ``retryable``
                tells them apart.
            DeadlineExceeded: no answer in time, four times.
        """
        return await self._embed([_clean(self._spec.passage_prefix + text) for text in texts])

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]`` of questions; raises as ``embed_documents``."""
        return await self._embed([_clean(self._spec.query_prefix + text) for text in texts])

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self._spec.dimensions), np.float32)
        for start in range(0, len(texts), _INPUTS_PER_CALL):
            part = texts[start : start + _INPUTS_PER_CALL]
            vectors[start : start + len(part)] = self._read(await self._post(part), len(part))
        return vectors

    async def _post(self, texts: Sequence[str]) -> httpx.Response:
        body: dict[str, JsonValue] = {"model": self._spec.model, "input": texts, "encoding_format": "float"}
        if self._spec.send_dimensions:
            body["dimensions"] = self._spec.dimensions
        headers = {"authorization": f"Bearer {self._spec.api_key}"} if self._spec.api_key else {}
        for attempt in range(1, _TRIES + 1):
            wait = _FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311
            try:
                response = await self._client.post(
                    self._spec.url, json=body, headers=headers, timeout=self._spec.timeout_seconds
                )
            except httpx.TransportError as error:
                failure = self._unreached(error)
            else:
                if response.status_code == httpx.codes.OK:
                    return response
                failure = _refused(response)
                wait = failure.retry_after_seconds or wait
            retryable = isinstance(failure, DeadlineExceeded) or failure.retryable
            if not retryable or attempt == _TRIES or wait > _LONGEST_WAIT_SECONDS:
                raise failure
            log.warning("embed.retried", attempt=attempt, wait_seconds=wait, reason=failure.detail)
            await self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _unreached(self, error: httpx.TransportError) -> ProviderError | DeadlineExceeded:
        if isinstance(error, httpx.TimeoutException):
            failure = DeadlineExceeded(
                f"The embeddings provider did not answer in {self._spec.timeout_seconds:g} seconds."
            )
        else:
            failure = ProviderError(
                f"The embeddings provider cannot be reached: {error or type(error).__name__}.", retryable=True
            )
        failure.__cause__ = error
        return failure

    def _read(self, response: httpx.Response, count: int) -> Vectors:
        rows = _rows(response)
        if len(rows) != count:
            raise ProviderError(f"The embeddings provider gave {len(rows)} vectors for {count} texts.")
        lengths = {len(row) for row in rows}
        if lengths != {self._spec.dimensions}:
            found = " and ".join(str(length) for length in sorted(lengths))
            raise ProviderError(
                f"The embeddings provider's vectors have {found} numbers, not {self._spec.dimensions}.",
                code="embedding_dimensions",
            )
        vectors = np.array(rows, np.float64)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise ProviderError("The embeddings provider gave a vector without a direction.")
        return (vectors / norms).astype(np.float32)


def _clean(text: str) -> str:
    """The text without lone surrogates, which JSON cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _rows(response: httpx.Response) -> list[list[float]]:
    """The vectors in the order of the texts."""
    try:
        body = cast("JsonObject", response.json())
        items = sorted(
            cast("Sequence[JsonObject]", body["data"]), key=lambda item: cast("int", item["index"])
        )
        rows = [
            [float(cast("float", number)) for number in cast("Sequence[JsonValue]", item["embedding"])]
            for item in items
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderError("The embeddings provider's answer has another form than expected.") from error
    if [item["index"] for item in items] != list(range(len(items))):
        raise ProviderError("The embeddings provider's vectors are not numbered in order.")
    return rows


def _refused(response: httpx.Response) -> ProviderError:
    status = response.status_code
    retryable = status in (408, 429) or status >= 500
    said = response.text[:_QUOTED_CHARS].strip()
    code = "provider_rate_limited" if status == httpx.codes.TOO_MANY_REQUESTS else None
    failure = ProviderError(
        f"The embeddings provider answered {status}: {said}", retryable=retryable, code=code
    )
    failure.retry_after_seconds = _retry_after(response.headers.get("retry-after"))
    return failure


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from seconds or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
