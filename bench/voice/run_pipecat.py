"""The benchmark's turns through pipecat-ai as it comes, with parts that take the time that is set."""

import asyncio
import time
from pathlib import Path
from typing import Any

import turns as fixed
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner
from turns import Turns, ask

logger.remove()
_PAUSE_SECONDS = 0.5
_PIECE = 960


class Input(BaseInputTransport):
    """Sound from memory."""

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)


class Output(BaseOutputTransport):
    """Notes when an answer begins, and plays it in its time."""

    def __init__(self, parameters: TransportParams, turns: Turns) -> None:
        super().__init__(parameters)
        self._turns = turns
        self._last = self._next = 0.0

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: Any) -> bool:
        now = time.perf_counter()
        if any(frame.audio):
            if now - self._last > _PAUSE_SECONDS:
                self._turns.sounded.append(now)
            self._last = now
        self._next = max(self._next, now) + len(frame.audio) / 2 / frame.sample_rate
        if self._next - now > 0.04:
            await asyncio.sleep(self._next - now - 0.02)
        return True


class FixedStt(STTService):
    """Hears the question after each end of speech."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    async def run_stt(self, audio: bytes) -> Any:
        for nothing in ():
            yield nothing

    async def process_frame(self, frame: Any, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._turns.stopped.append(time.perf_counter())
            self._final_task = asyncio.get_running_loop().create_task(self._final())

    async def _final(self) -> None:
        await asyncio.sleep(fixed.STT_SECONDS)
        self._turns.heard.append(time.perf_counter())
        self.confirm_finalize()
        heard = TranscriptionFrame(fixed.HEARD, "u", "2026-01-01T00:00:00Z")
        heard.finalized = True
        await self.push_frame(heard)


class FixedLlm(LLMService):
    """Gives the reply."""

    async def process_frame(self, frame: Any, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(fixed.LLM_SECONDS)
        for word in fixed.REPLY:
            await self.push_frame(LLMTextFrame(word))
        await self.push_frame(LLMFullResponseEndFrame())


class FixedTts(TTSService):
    """A second of sound."""

    def __init__(self) -> None:
        super().__init__(push_stop_frames=True, push_start_frame=True, sample_rate=24_000)

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> Any:
        await asyncio.sleep(fixed.TTS_SECONDS)
        for start in range(0, len(fixed.SPOKEN), _PIECE):
            yield TTSAudioRawFrame(fixed.SPOKEN[start : start + _PIECE], 24_000, 1, context_id=context_id)


async def one(said: Any, count: int, index: int, turns: Turns) -> None:
    """One conversation."""
    parameters = TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=fixed.HZ,
        audio_out_sample_rate=24_000,
        audio_out_10ms_chunks=2,
    )
    source, sink = Input(parameters), Output(parameters, turns)
    vad = SileroVADAnalyzer(
        params=VADParams(stop_secs=fixed.VAD_STOP_SECONDS, start_secs=fixed.VAD_START_SECONDS)
    )
    strategies = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)],
    )
    sides = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=strategies),
    )
    pipeline = Pipeline(
        [source, FixedStt(turns), sides.user(), FixedLlm(), FixedTts(), sink, sides.assistant()]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=fixed.HZ, audio_out_sample_rate=24_000),
        cancel_on_idle_timeout=False,
    )

    async def push(data: bytes) -> None:
        await source.push_audio_frame(InputAudioRawFrame(data, fixed.HZ, 1))

    async def drive() -> None:
        await asyncio.sleep(1.0)
        await ask(said, count, index, push, turns)
        await worker.cancel()

    driving = asyncio.get_running_loop().create_task(drive())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    await driving


async def main(path: Path, count: int, number: int) -> None:
    """Holds so many conversations of so many turns at once."""
    said = fixed.speech(path)
    await fixed.hold(number, lambda index, turns: one(said, count, index, turns))


if __name__ == "__main__":
    fixed.begin(main)
