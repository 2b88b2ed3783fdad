"""Piper voices (VITS in ONNX) inside a child process. Needs onnxruntime and the program ``espeak-ng``.

The program, which is free software under the GPL, only spells words as phonemes, over a pipe.
"""

import json
import re
import subprocess
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions

from dragoman.kit.errors import ProviderError
from dragoman.kit.pcm import as_pcm

_PIECE = re.compile(r"([^,.;:!?…]*(?:[,.:](?=\d)[^,.;:!?…]*)*)([,.;:!?…]*)")
_OTHER_LANGUAGE = re.compile(r"\([^)]*\)")
_SPELL_SECONDS = 20
_LOUDNESS = 0.85
_QUIETEST = 1e-4
_MARKS = ",.;:!?"


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
        options = SessionOptions()
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._speakers = facts.get("num_speakers", 1)

    def speak(self, text: str, speed: float, pitch: float) -> bytes:
        """16-bit samples at the voice's own rate; empty when nothing in the text can be said."""
        phonemes = self._spelled(text)
        if not phonemes:
            return b""
        marks = self._config.ids
        ids = [*marks["^"], *marks["_"]]
        for phoneme in unicodedata.normalize("NFD", phonemes):
            if phoneme in marks:
                ids += [*marks[phoneme], *marks["_"]]
        ids += marks["$"]
        config = self._config
        feed: dict[str, NDArray[np.generic]] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            # A higher voice plays its samples faster, so it is made slower first.
            "scales": np.array([config.noise, config.length * pitch / speed, config.noise_width], np.float32),
        }
        if self._speakers > 1:
            feed["sid"] = np.array([0], np.int64)
        sound = np.asarray(self._session.run(None, feed)[0], np.float32).reshape(-1)
        return as_pcm(_pitched(sound / max(float(np.abs(sound).max()), _QUIETEST) * _LOUDNESS, pitch))

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


def _pitched(sound: NDArray[np.float32], pitch: float) -> NDArray[np.float32]:
    if pitch == 1.0:
        return sound
    places = np.arange(0, len(sound) - 1, pitch)
    return np.interp(places, np.arange(len(sound)), sound).astype(np.float32)


@lru_cache(maxsize=4)
def voice(model: str, threads: int) -> PiperVoice:
    """A voice of this process, loaded by the first call."""
    return PiperVoice(Path(model), threads)
