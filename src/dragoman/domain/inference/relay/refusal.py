"""From a provider's refusals and failures to our errors; what tells of the operator's account stays here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import orjson
import structlog

from dragoman.domain.inference.relay.target import RelayTarget
from dragoman.kit.errors import (
    DeadlineExceeded,
    DragomanError,
    InvalidInput,
    ProviderError,
    QuotaExceeded,
    Unavailable,
)
from dragoman.kit.http1 import BodyTooLarge, HttpError, IdleTimeout, PoolExhausted, Response

log = structlog.get_logger(__name__)

_REFUSAL_BYTES = 64 * 1024
_SENTENCE_LENGTH = 1000
_LONGEST_WAIT_SECONDS = 3600.0
_CODE = re.compile(r"[a-z0-9_.-]{1,64}\Z")
_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|org|proj)[-_][A-Za-z0-9*_-]{6,}")


async def refusal(response: Response, target: RelayTarget) -> DragomanError:
    """The error for an answer that is no success; reads and closes it."""
    try:
        body = await response.read(_REFUSAL_BYTES)
    except HttpError:
        body = b""
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = None
    status = response.status
    error = _error(status, decoded, response.header(b"retry-after"), target)
    log.warning("relay.refused", model=target.name, provider_status=status, code=error.code)
    return error


def no_answer(body: bytes, target: RelayTarget) -> DragomanError:
    """The error for a body that came with the status of success and is no answer."""
    try:
        sentence = scrubbed(sentence_of(orjson.loads(body)), target)
    except orjson.JSONDecodeError:
        return ProviderError("The provider's answer is not JSON.")
    log.warning("relay.no_answer", model=target.name)
    return ProviderError(sentence or "The provider's answer holds no choices.")


def _error(status: int, body: object, retry_after: bytes | None, target: RelayTarget) -> DragomanError:
    if status in (401, 402, 403):
        return ProviderError(
            "The provider does not accept this server's account for the model; its operator has to look.",
            code="provider_account_refused",
        )
    if status == 429:
        return QuotaExceeded(
            "The provider's rate limit is reached.",
            code="provider_rate_limited",
            retry_after_seconds=_wait_seconds(retry_after),
        )
    if status in (400, 413, 415, 422):
        code, param = _code_and_param(body)
        sentence = scrubbed(sentence_of(body), target) or "The provider refused the request."
        return InvalidInput(sentence, code=code, param=param)
    if status == 404:
        return ProviderError(f"The provider does not know the model behind {target.name!r}.")
    if status in (408, 504):
        return DeadlineExceeded("The provider did not answer in time.")
    return ProviderError(f"The provider answered with status {status}.", retryable=status >= 500)


def broken(error: HttpError, target: RelayTarget) -> DragomanError:
    """The error for an exchange that did not come to its end."""
    log.warning("relay.broken", model=target.name, reason=str(error))
    if isinstance(error, IdleTimeout):
        return DeadlineExceeded("The provider sent nothing for too long.")
    if isinstance(error, PoolExhausted):
        return Unavailable("Too many requests to the provider are under way.", retry_after_seconds=1)
    if isinstance(error, BodyTooLarge):
        return ProviderError("The provider's answer is too large.")
    return ProviderError("The connection to the provider failed.", retryable=True)


def sentence_of(body: object) -> str:
    """What a provider's error body says in words, bounded; empty when it says nothing."""
    if not isinstance(body, Mapping):
        return ""
    fields = cast("Mapping[str, object]", body)
    error = fields.get("error")
    if isinstance(error, Mapping):
        fields = cast("Mapping[str, object]", error)
    elif isinstance(error, str):
        return error[:_SENTENCE_LENGTH]
    for name in ("message", "detail"):
        if isinstance(text := fields.get(name), str):
            return text[:_SENTENCE_LENGTH]
    return ""


def scrubbed(sentence: str, target: RelayTarget) -> str:
    """The sentence without the provider's key and what looks like one."""
    if target.api_key:
        sentence = sentence.replace(target.api_key, "***")
    return _KEY_LIKE.sub("***", sentence)


def _code_and_param(body: object) -> tuple[str | None, str | None]:
    """The provider's own code and field, which clients act on (``context_length_exceeded``)."""
    error = cast("Mapping[str, object]", body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None, None
    fields = cast("Mapping[str, object]", error)
    code, param = fields.get("code"), fields.get("param")
    return (
        code if isinstance(code, str) and _CODE.match(code) else None,
        param[:200] if isinstance(param, str) else None,
    )


def _wait_seconds(header: bytes | None) -> float | None:
    """Retry-After in either of its forms."""
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS) if seconds == seconds else None
