"""Piper voices (VITS in ONNX) inside a child process. Needs onnxruntime and the program ``espeak-ng``.

The program, which is free software under the GPL, only spells words as phonemes, over a pipe.
"""

import json
import re
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions

from dragoman.adapters.synthesizers.halves import halves
from dragoman.kit.errors import ProviderError
from dragoman.kit.pcm import Resampler, as_pcm

_PIECE = re.compile(r"([^,.;:!?…]*(?:[,.:](?=\d)[^,.;:!?…]*)*)([,.;:!?…]*)")
_OTHER_LANGUAGE = re.compile(r"\([^)]*\)")
_SPELL_SECONDS = 20
_MARKS = ",.;:!?"
# How loud the loudest of what is said first is made, and what lies between that and the voice's own loudness at most.
_LOUDNESS, _LEAST_GAIN, _MOST_GAIN = 0.85, 0.5, 8.0
_SAID_FIRST = "One, two, three."
# The first piece is short, so that it can be heard soon; each frame needs so many on either side to sound as in the whole.
_FIRST_FRAMES, _MOST_FRAMES = 30, 240
_BESIDE_FRAMES = 12
_PITCH_STEPS = 100


@dataclass(frozen=True, slots=True)
class _Config:
    rate_hz: int
    spelling: str
    ids: dict[str, list[int]]
    noise: float
    length: float
    noise_width: float


class PiperVoice:
    """A loaded voice; a call blocks for as long as it computes."""

    def __init__(self, model: Path, threads: int) -> None:
        facts = json.loads(Path(f"{model}.json").read_text("utf-8"))
        usual = facts.get("inference", {})
        self._config = _Config(
            rate_hz=facts["audio"]["sample_rate"],
            spelling=facts["espeak"]["voice"],
            ids=facts["phoneme_id_map"],
            noise=usual.get("noise_scale", 0.667),
            length=usual.get("length_scale", 1.0),
            noise_width=usual.get("noise_w", 0.8),
        )
        self._threads = threads
        self._speakers = facts.get("num_speakers", 1)
        cut = halves(model)
        # The decoder with the name of what it takes; None where one model does everything.
        self._decoder = None if cut is None else (self._session(cut.sound), cut.name)
        self._first = self._session(str(model) if cut is None else cut.frames)
        self._gain = 1.0
        loudest = max((float(np.abs(sound).max()) for sound in self._sounds(_SAID_FIRST, 1.0)), default=0.0)
        if loudest:
            self._gain = min(_MOST_GAIN, max(_LEAST_GAIN, _LOUDNESS / loudest))

    def speak(self, text: str, speed: float, pitch: float) -> Iterator[bytes]:
        """16-bit samples at the voice's own rate, piece by piece; none when nothing in the text can be said."""
        # A higher voice plays its samples faster, so it is made slower first.
        pitched = Resampler(round(pitch * _PITCH_STEPS), _PITCH_STEPS)
        for sound in self._sounds(text, pitch / speed):
            yield pitched.push(as_pcm(np.clip(sound * self._gain, -1.0, 1.0)))
        yield pitched.flush()

    def _sounds(self, text: str, length: float) -> Iterator[NDArray[np.float32]]:
        phonemes = self._spelled(text)
        if not phonemes:
            return
        first = _floats(self._first.run(None, self._asked(phonemes, length)))
        if self._decoder is None:
            yield first.reshape(-1)
            return
        decoder, taken = self._decoder
        count, at, size = first.shape[2], 0, _FIRST_FRAMES
        while at < count:
            end = min(count, at + size)
            begin = max(0, at - _BESIDE_FRAMES)
            frames = first[:, :, begin : min(count, end + _BESIDE_FRAMES)]
            sound = _floats(decoder.run(None, {taken: frames})).reshape(-1)
            samples = len(sound) // frames.shape[2]
            yield sound[(at - begin) * samples : (end - begin) * samples]
            at, size = end, min(2 * size, _MOST_FRAMES)

    def _asked(self, phonemes: str, length: float) -> Mapping[str, NDArray[np.generic]]:
        config, marks = self._config, self._config.ids
        ids = [*marks["^"], *marks["_"]]
        for phoneme in unicodedata.normalize("NFD", phonemes):
            if phoneme in marks:
                ids += [*marks[phoneme], *marks["_"]]
        ids += marks["$"]
        feed: dict[str, NDArray[np.generic]] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([config.noise, config.length * length, config.noise_width], np.float32),
        }
        if self._speakers > 1:
            feed["sid"] = np.array([0], np.int64)
        return feed

    def _session(self, model: str | bytes) -> InferenceSession:
        options = SessionOptions()
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def _spelled(self, text: str) -> str:
        """Phonemes with the punctuation between them, which the voice breathes by."""
        pieces = [(words.strip(), mark[:1]) for words, mark in _PIECE.findall(text) if words.strip()]
        said = [(_phonemes(words, self._config.spelling), mark) for words, mark in pieces]
        return " ".join(line + (mark if mark in _MARKS else "") for line, mark in said if line)


@lru_cache(maxsize=2048)
def _phonemes(words: str, language: str) -> str:
    """One piece at a time: the program makes breaks of its own between the pieces of a longer text."""
    command = ["espeak-ng", "-q", "--ipa", "-v", language]
    ran = subprocess.run(
        command, input=words, capture_output=True, text=True, timeout=_SPELL_SECONDS, check=False
    )
    if ran.returncode != 0:
        raise ProviderError(f"espeak-ng could not spell the text: {ran.stderr.strip()[:200]}")
    return " ".join(_OTHER_LANGUAGE.sub("", ran.stdout).split())


def _floats(answer: Any) -> NDArray[np.float32]:
    return np.asarray(answer[0], np.float32)


@lru_cache(maxsize=4)
def voice(model: str, threads: int) -> PiperVoice:
    """A voice of this process, loaded by the first call."""
    return PiperVoice(Path(model), threads)
