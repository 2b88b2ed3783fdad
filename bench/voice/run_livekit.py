"""The benchmark's turns through livekit-agents as it comes, with parts that take the time that is set."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import turns as fixed
from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, Agent, AgentSession, llm, stt, tts
from livekit.agents.voice import io
from livekit.plugins import silero
from turns import Turns, ask

logging.basicConfig(level=logging.ERROR)


class Microphone(io.AudioInput):
    """Sound from memory."""

    def __init__(self) -> None:
        super().__init__(label="memory")
        self.frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self.frames.get()


class Speaker(io.AudioOutput):
    """Notes when an answer begins, and plays it in its time."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(
            label="memory", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=24_000
        )
        self._turns = turns
        self._seconds = 0.0
        self._begun: float | None = None
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._begun is None:
            self._begun = time.perf_counter()
            self._turns.sounded.append(self._begun)
            self.on_playback_started(created_at=time.time())
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._begun is not None:
            left = max(0.0, self._begun + self._seconds - time.perf_counter())
            self._end = asyncio.get_running_loop().call_later(left, self._finish, self._seconds, False)

    def clear_buffer(self) -> None:
        if self._begun is not None:
            if self._end is not None:
                self._end.cancel()
            self._finish(time.perf_counter() - self._begun, True)

    def _finish(self, position: float, interrupted: bool) -> None:
        self._seconds, self._begun, self._end = 0.0, None, None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class FixedStt(stt.STT):
    """Hears the question when it is told to."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.current: HearingStream | None = None

    async def _recognize_impl(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def stream(self, *, language: Any = None, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        self.current = HearingStream(stt=self, conn_options=conn_options)
        return self.current


class HearingStream(stt.RecognizeStream):
    """Gives the transcript."""

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass

    def final(self) -> None:
        heard = stt.SpeechData(language="en", text=fixed.HEARD)
        event = stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard])
        self._event_ch.send_nowait(event)


class FixedLlm(llm.LLM):
    """Gives the reply."""

    def chat(
        self, *, chat_ctx: Any, tools: Any = None, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any
    ) -> Any:
        return ReplyStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ReplyStream(llm.LLMStream):
    """The reply word by word."""

    async def _run(self) -> None:
        await asyncio.sleep(fixed.LLM_SECONDS)
        for word in fixed.REPLY:
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id="x", delta=delta))


class FixedTts(tts.TTS):
    """A second of sound."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=24_000, num_channels=1)

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return SpeakingStream(tts=self, conn_options=conn_options)


class SpeakingStream(tts.SynthesizeStream):
    """Speaks from the first word on."""

    async def _run(self, output_emitter: Any) -> None:
        output_emitter.initialize(
            request_id="r",
            sample_rate=24_000,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
            frame_size_ms=20,
        )
        output_emitter.start_segment(segment_id="s")
        spoken = False
        async for piece in self._input_ch:
            if spoken or isinstance(piece, self._FlushSentinel):
                continue
            spoken = True
            self._mark_started()
            await asyncio.sleep(fixed.TTS_SECONDS)
            output_emitter.push(fixed.SPOKEN)
        output_emitter.end_segment()


async def one(vad: Any, said: Any, count: int, index: int, turns: Turns) -> None:
    """One conversation."""
    hearing = FixedStt()
    session: AgentSession[None] = AgentSession(
        stt=hearing,
        llm=FixedLlm(),
        tts=FixedTts(),
        vad=vad,
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": 0.0, "max_delay": 1.0},
            "interruption": {"mode": "vad"},
            "preemptive_generation": {"enabled": False},
        },
        aec_warmup_duration=None,
    )
    microphone = Microphone()
    session.input.audio, session.output.audio = microphone, Speaker(turns)

    def final() -> None:
        assert hearing.current is not None
        turns.heard.append(time.perf_counter())
        hearing.current.final()

    def changed(event: Any) -> None:
        if event.old_state == "speaking" and event.new_state == "listening":
            turns.stopped.append(time.perf_counter())
            asyncio.get_running_loop().call_later(fixed.STT_SECONDS, final)

    session.on("user_state_changed", changed)
    await session.start(Agent(instructions="x"))

    async def push(data: bytes) -> None:
        microphone.frames.put_nowait(rtc.AudioFrame(data, fixed.HZ, 1, len(data) // 2))

    await ask(said, count, index, push, turns)
    await session.aclose()


async def main(path: Path, count: int, number: int) -> None:
    """Holds so many conversations of so many turns at once."""
    said = fixed.speech(path)
    vad = silero.VAD.load(
        min_silence_duration=fixed.VAD_STOP_SECONDS, min_speech_duration=fixed.VAD_START_SECONDS
    )
    await fixed.hold(number, lambda index, turns: one(vad, said, count, index, turns))


if __name__ == "__main__":
    fixed.begin(main)
