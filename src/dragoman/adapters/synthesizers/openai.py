"""A synthesizer behind any OpenAI-compatible ``/audio/speech`` address."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from dragoman.domain.inference.speech.ports import SpeechRequest, Voice
from dragoman.kit.errors import DeadlineExceeded, ProviderError

_RATE_HZ = 24_000
_USUAL_VOICE = "alloy"
_QUOTED_CHARS = 300
_PIECE_BYTES = 4800


@dataclass(frozen=True, slots=True)
class OpenAISynthesizerSpec:
    """Where the synthesizer is. ``base_url`` goes up to and with the version part."""

    base_url: str
    model: str
    api_key: str | None = None
    timeout_seconds: float = 60.0


class OpenAISynthesizer:
    """A ``Synthesizer`` over HTTP.

    Args:
        client: shared, without redirects; its owner closes it.
        spec: where and what.
    """

    def __init__(self, client: httpx.AsyncClient, spec: OpenAISynthesizerSpec) -> None:
        self._client = client
        self._spec = spec

    @property
    def name(self) -> str:
        """The name it is listed by."""
        return self._spec.model

    @property
    def sample_rate_hz(self) -> int:
        """The rate of its sound."""
        return _RATE_HZ

    @property
    def feels(self) -> bool:
        """Feelings are put into words for it."""
        return True

    def voices(self) -> Sequence[Voice]:
        """Only the provider knows."""
        return ()

    def speaks(self, language: str) -> bool:
        """Left to the provider."""
        return True

    async def stream(self, request: SpeechRequest) -> AsyncIterator[bytes]:
        """The speech as the provider sends it.

        Raises:
            ProviderError: refused or failed.
            DeadlineExceeded: no answer in time.
        """
        spec = self._spec
        headers = {"authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
        try:
            async with self._client.stream(
                "POST",
                f"{spec.base_url}/audio/speech",
                json=self._body(request),
                headers=headers,
                timeout=spec.timeout_seconds,
            ) as response:
                if response.status_code >= 300:
                    raise _refused(response.status_code, await response.aread())
                held = b""
                async for piece in response.aiter_bytes(_PIECE_BYTES):
                    held += piece
                    whole = len(held) // 2 * 2
                    yield held[:whole]
                    held = held[whole:]
        except httpx.TimeoutException as error:
            raise DeadlineExceeded("The speech provider did not answer in time.") from error
        except httpx.HTTPError as error:
            raise ProviderError(f"The speech provider failed: {error}", retryable=True) from error

    async def warm(self) -> None:
        """There is nothing to load here."""

    def _body(self, request: SpeechRequest) -> dict[str, object]:
        instructions = [request.instructions] if request.instructions else []
        if request.emotion is not None:
            instructions.append(f"Emotion: {request.emotion.name}, level {request.emotion.level}.")
        body: dict[str, object] = {
            **request.metadata,
            "model": self._spec.model,
            "input": request.text,
            "voice": request.voice or _USUAL_VOICE,
            "response_format": "pcm",
        }
        if request.speed != 1.0:
            body["speed"] = request.speed
        if instructions:
            body["instructions"] = " ".join(instructions)
        return body


def _refused(status: int, body: bytes) -> ProviderError:
    words = body.decode("utf-8", "replace").strip()[:_QUOTED_CHARS]
    return ProviderError(
        f"The speech provider answered {status}: {words}", retryable=status == 429 or status >= 500
    )
