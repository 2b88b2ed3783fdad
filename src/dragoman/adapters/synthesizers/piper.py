"""Piper voices on this machine, spoken by child processes that keep them loaded."""

import asyncio
import importlib
import importlib.util
import json
import shutil
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dragoman.adapters.synthesizers.phrases import phrases
from dragoman.adapters.synthesizers.presets import PITCHES
from dragoman.domain.inference.speech.languages import base_language
from dragoman.domain.inference.speech.ports import SpeechRequest, Voice
from dragoman.domain.inference.speech.voices import unknown_voice
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.pcm import resampled
from dragoman.kit.processes import ChildCrashed, ChildPool
from dragoman.kit.tasks import TaskOwner

_ENGINE = "dragoman.adapters.synthesizers.vits"
_RATE_HZ = 22_050
_PHRASE_SECONDS = 60.0
# One phrase is made while the one before it is heard.
_AHEAD = 2


def speak_in_child(model: str, threads: int, text: str, speed: float, pitch: float) -> bytes:
    """Samples of a phrase; the process that runs this keeps the voice loaded."""
    return importlib.import_module(_ENGINE).voice(model, threads).speak(text, speed, pitch)


@dataclass(frozen=True, slots=True)
class _Model:
    path: str
    language: str
    rate_hz: int


class PiperSynthesizer:
    """A ``Synthesizer`` over the voices of some folders.

    Args:
        folders: where ``NAME.onnx`` lies beside ``NAME.onnx.json``; the first voice found is the usual one.
        pool: processes that speak, which their owner closes.
        threads: cores for one phrase.

    Raises:
        Unavailable: no voice, or a package or program is missing.
    """

    def __init__(self, folders: Sequence[Path], *, pool: ChildPool, threads: int) -> None:
        _require()
        self._models = _found(folders)
        if not self._models:
            raise Unavailable(
                "There is no Piper voice: run scripts/fetch-weights, or set speech.voices_dir.",
                code="weights_missing",
            )
        self._pool = pool
        self._threads = threads
        self._tasks = TaskOwner()
        self._usual = next(iter(self._models))
        language = self._models[self._usual].language
        self._voices = [Voice(name, language) for name in PITCHES]
        self._voices += [Voice(name, model.language) for name, model in self._models.items()]

    @property
    def name(self) -> str:
        """The name it is listed by."""
        return "piper"

    @property
    def sample_rate_hz(self) -> int:
        """The rate of its sound."""
        return _RATE_HZ

    @property
    def feels(self) -> bool:
        """It reads all in the same mood."""
        return False

    def voices(self) -> Sequence[Voice]:
        """The names by custom, then the files."""
        return self._voices

    def speaks(self, language: str) -> bool:
        """Whether a voice of that language is in the folders."""
        return any(
            base_language(model.language) == base_language(language) for model in self._models.values()
        )

    async def stream(self, request: SpeechRequest) -> AsyncIterator[bytes]:
        """The speech phrase by phrase, each made while the one before is played."""
        model, pitch = self._chosen(request)
        waiting = deque(phrases(request.text))
        made: deque[asyncio.Task[bytes]] = deque()
        while waiting or made:
            while waiting and len(made) < _AHEAD:
                made.append(
                    self._tasks.start(
                        self._said(model, waiting.popleft(), request.speed, pitch), name="speak"
                    )
                )
            # A phrase is short; letting it come to its end keeps the process and its voice.
            sound = await asyncio.shield(made[0])
            made.popleft()
            if sound:
                yield sound

    async def warm(self) -> None:
        """Loads the usual voice."""
        await self._said(self._models[self._usual], "Hello.", 1.0, 1.0)

    async def close(self) -> None:
        """Ends what is being spoken; the pool is its owner's to close."""
        await self._tasks.close()

    def _chosen(self, request: SpeechRequest) -> tuple[_Model, float]:
        wanted = request.voice
        if wanted in self._models:
            return self._models[wanted], 1.0
        if wanted is not None and wanted not in PITCHES:
            raise unknown_voice(wanted, self._voices)
        model = self._models[self._usual]
        if request.language is not None:
            of_language = [
                known
                for known in self._models.values()
                if base_language(known.language) == base_language(request.language)
            ]
            exact = [known for known in of_language if known.language.lower() == request.language.lower()]
            if of_language and model not in of_language:
                model = (exact or of_language)[0]
        return model, 1.0 if wanted is None else PITCHES[wanted]

    async def _said(self, model: _Model, text: str, speed: float, pitch: float) -> bytes:
        call = (speak_in_child, model.path, self._threads, text, speed, pitch)
        try:
            sound = await self._pool.call(*call, timeout_seconds=_PHRASE_SECONDS, again=True, keep=True)
        except ChildCrashed as error:
            raise ProviderError(f"The voice failed: {error.detail}", retryable=True) from error
        return sound if model.rate_hz == _RATE_HZ else resampled(sound, model.rate_hz, _RATE_HZ)


def _found(folders: Sequence[Path]) -> dict[str, _Model]:
    models: dict[str, _Model] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.onnx")):
            with suppress(OSError, ValueError, KeyError):
                facts = json.loads(Path(f"{path}.json").read_text("utf-8"))
                rate = int(facts["audio"]["sample_rate"])
                models.setdefault(path.stem, _Model(str(path), _language(path.stem, facts), rate))
    return models


def _language(stem: str, facts: dict[str, dict[str, str]]) -> str:
    code = facts.get("language", {}).get("code") or stem.split("-")[0]
    return code.replace("_", "-")


def _require() -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        raise Unavailable(
            "Piper voices need the Python package 'onnxruntime': install dragoman[embeddings] or dragoman[voice].",
            code="extra_missing",
        )
    if shutil.which("espeak-ng") is None:
        raise Unavailable(
            "Piper voices need the program espeak-ng: install the package espeak-ng.", code="program_missing"
        )
