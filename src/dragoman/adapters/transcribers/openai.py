"""A transcriber behind any OpenAI-compatible ``/audio/transcriptions`` address."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from anyio import to_thread

from dragoman.domain.inference.speech.ports import Recording, Segment, TranscribeOptions, Transcript, Word
from dragoman.kit.errors import DeadlineExceeded, InvalidInput, ProviderError
from dragoman.kit.pcm import seconds, wav_header

_QUOTED_CHARS = 300
_REFUSED_INPUT = (400, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class OpenAITranscriberSpec:
    """Where the transcriber is. ``base_url`` goes up to and with the version part."""

    base_url: str
    model: str
    api_key: str | None = None
    timeout_seconds: float = 120.0


class OpenAITranscriber:
    """A ``Transcriber`` over HTTP.

    Args:
        client: shared, without redirects; its owner closes it.
        spec: where and what.
    """

    def __init__(self, client: httpx.AsyncClient, spec: OpenAITranscriberSpec) -> None:
        self._client = client
        self._spec = spec

    @property
    def name(self) -> str:
        """The name it is listed by."""
        return self._spec.model

    def understands(self, language: str) -> bool:
        """Left to the provider."""
        return True

    async def stream(self, recording: Recording, options: TranscribeOptions) -> AsyncIterator[Transcript]:
        """The whole transcript at once.

        Raises:
            InvalidInput: the provider cannot read the recording.
            ProviderError: refused or failed.
            DeadlineExceeded: no answer in time.
        """
        spec = self._spec
        headers = {"authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
        path = "translations" if options.translate else "transcriptions"
        try:
            response = await self._client.post(
                f"{spec.base_url}/audio/{path}",
                data=self._form(options),
                files={"file": await to_thread.run_sync(_file, recording)},
                headers=headers,
                timeout=spec.timeout_seconds,
            )
        except httpx.TimeoutException as error:
            raise DeadlineExceeded("The transcription provider did not answer in time.") from error
        except httpx.HTTPError as error:
            raise ProviderError(f"The transcription provider failed: {error}", retryable=True) from error
        if response.status_code >= 300:
            raise _refused(response.status_code, response.content)
        yield _transcript(response.content, recording, options)

    async def warm(self) -> None:
        """There is nothing to load here."""

    def _form(self, options: TranscribeOptions) -> dict[str, str | list[str]]:
        # The newer models give plain JSON only; times come from those that have them.
        detailed = options.words or not options.quick
        form: dict[str, str | list[str]] = {"model": self._spec.model, "response_format": "json"}
        if detailed and "gpt-4o" not in self._spec.model:
            form["response_format"] = "verbose_json"
            form["timestamp_granularities[]"] = ["segment", "word"] if options.words else ["segment"]
        if options.language and not options.translate:
            form["language"] = options.language
        if options.prompt:
            form["prompt"] = options.prompt
        if options.temperature is not None:
            form["temperature"] = str(options.temperature)
        return form


def _file(recording: Recording) -> tuple[str, bytes]:
    if recording.path is not None:
        return recording.name, Path(recording.path).read_bytes()
    if recording.pcm_rate_hz is None:
        return recording.name, recording.data
    return "audio.wav", wav_header(recording.pcm_rate_hz, len(recording.data)) + recording.data


def _refused(status: int, body: bytes) -> ProviderError | InvalidInput:
    words = body.decode("utf-8", "replace").strip()[:_QUOTED_CHARS]
    if status in _REFUSED_INPUT:
        return InvalidInput(f"The transcription provider refused the recording: {words}", param="file")
    return ProviderError(
        f"The transcription provider answered {status}: {words}", retryable=status == 429 or status >= 500
    )


def _transcript(body: bytes, recording: Recording, options: TranscribeOptions) -> Transcript:
    try:
        found = orjson.loads(body)
        text = str(found["text"])
        words = [_word(word) for word in found.get("words") or ()]
        segments = [_segment(segment, words) for segment in found.get("segments") or ()]
        known = seconds(recording.data, recording.pcm_rate_hz) if recording.pcm_rate_hz else 0.0
        duration = float(found.get("duration") or known)
        if not segments and text:
            segments = [Segment(text, 0.0, duration, words=tuple(words))]
        language = str(found.get("language") or options.language or "en")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ProviderError("The transcription provider's answer has another shape.") from error
    return Transcript(text, language, duration, tuple(segments))


def _word(found: dict[str, Any]) -> Word:
    return Word(str(found["word"]), float(found["start"]), float(found["end"]))


def _segment(found: dict[str, Any], words: list[Word]) -> Segment:
    start, end = float(found["start"]), float(found["end"])
    return Segment(
        text=str(found["text"]),
        start=start,
        end=end,
        tokens=tuple(found.get("tokens") or ()),
        temperature=float(found.get("temperature") or 0),
        avg_logprob=float(found.get("avg_logprob") or 0),
        compression_ratio=float(found.get("compression_ratio") or 0),
        no_speech_prob=float(found.get("no_speech_prob") or 0),
        words=tuple(word for word in words if start <= word.start < end),
    )
