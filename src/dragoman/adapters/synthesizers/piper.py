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
from typing import Any

from dragoman.adapters.synthesizers.phrases import phrases
from dragoman.adapters.synthesizers.presets import PITCHES
from dragoman.domain.inference.speech.languages import base_language
from dragoman.domain.inference.speech.ports import SpeechRequest, Voice
from dragoman.domain.inference.speech.voices import unknown_voice
from dragoman.kit.child import ask
from dragoman.kit.errors import DragomanError, ProviderError, Unavailable
from dragoman.kit.pcm import Resampler
from dragoman.kit.processes import ChildCrashed, ChildKilled, ChildPool
from dragoman.kit.tasks import TaskOwner

_ENGINE = "dragoman.adapters.synthesizers.vits"
_RATE_HZ = 22_050
_PHRASE_SECONDS = 60.0
# One phrase is made while the one before it is heard.
_AHEAD = 2


def speak_in_child(model: str, threads: int, text: str, speed: float, pitch: float) -> None:
    """Gives its caller samples of a phrase until it wants no more; the process that runs this keeps the voice loaded."""
    for piece in importlib.import_module(_ENGINE).voice(model, threads).speak(text, speed, pitch):
        if piece and not ask(piece):
            return


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
        """The speech piece by piece; each phrase is made while the one before is played."""
        model, pitch = self._chosen(request)
        waiting = deque(phrases(request.text))
        made: deque[_Phrase] = deque()
        try:
            while waiting or made:
                while waiting and len(made) < _AHEAD:
                    made.append(self._said(model, waiting.popleft(), request.speed, pitch))
                async for sound in made[0].pieces():
                    yield sound
                made.popleft()
        finally:
            for phrase in made:
                phrase.stop()

    async def warm(self) -> None:
        """Loads the usual voice."""
        async for _ in self.stream(SpeechRequest("Hello.", voice=self._usual)):
            pass

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

    def _said(self, model: _Model, text: str, speed: float, pitch: float) -> "_Phrase":
        call = (speak_in_child, model.path, self._threads, text, speed, pitch)
        phrase = _Phrase(model.rate_hz)
        phrase.making = self._tasks.start(phrase.make(self._pool, call), name="speak")
        return phrase


class _Phrase:
    """A phrase being made in a process, and its sound as far as it is there."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = Resampler(rate_hz, _RATE_HZ)
        self._queue: asyncio.Queue[bytes | DragomanError | None] = asyncio.Queue()
        self._wanted = self._silent = True
        self.making: asyncio.Task[None] | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The sound as it comes.

        Raises:
            ProviderError: the voice failed.
        """
        while (piece := await self._queue.get()) is not None:
            if isinstance(piece, DragomanError):
                raise piece
            yield piece

    def stop(self) -> None:
        """Nobody wants it any more; the process and its voice are kept."""
        self._wanted = False
        if self.making is not None:
            self.making.cancel()

    async def make(self, pool: ChildPool, call: tuple[Any, ...]) -> None:
        """Has the phrase made, once more when the process is killed before anything is heard."""
        try:
            try:
                await self._call(pool, call)
            except ChildKilled:
                if not self._silent:
                    raise
                await self._call(pool, call)
            self._put(self._resampler.flush())
            self._queue.put_nowait(None)
        except ChildCrashed as error:
            self._queue.put_nowait(ProviderError(f"The voice failed: {error.detail}", retryable=True))
        except DragomanError as error:
            self._queue.put_nowait(error)
        except Exception:
            self._queue.put_nowait(ProviderError("The voice failed."))
            raise

    async def _call(self, pool: ChildPool, call: tuple[Any, ...]) -> None:
        # A phrase is short; letting it come to its end keeps the process and its voice.
        await pool.call(*call, timeout_seconds=_PHRASE_SECONDS, answer=self._take, keep=True)

    async def _take(self, piece: bytes) -> bool:
        self._put(self._resampler.push(piece))
        return self._wanted

    def _put(self, piece: bytes) -> None:
        if piece:
            self._silent = False
            self._queue.put_nowait(piece)


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
