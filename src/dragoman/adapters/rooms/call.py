"""One conversation: a session of livekit-agents between the pipe and the person."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, inference
from livekit.agents.voice import io

from dragoman.adapters.rooms.agent import NoLlm, NoStt, NoTts, Voice, VoiceAgent
from dragoman.adapters.rooms.listening import Transcripts
from dragoman.adapters.rooms.playing import PacedOutput
from dragoman.adapters.rooms.requests import Requests
from dragoman.adapters.rooms.vad import INPUT_HZ, CallVad, Ears
from dragoman.domain.voice.spec import VoiceSpec
from dragoman.kit.tasks import TaskOwner

_WAITING_FRAMES = 250
_LONGEST_WAIT = 2.5
_RESUME_SECONDS = 2.0
_LONGEST_TEXT = 8000
_NOT_HEARD = "Sorry, I could not hear that. Please say it again."
Tell = Callable[[dict[str, Any]], None]


class _Microphone(io.AudioInput):
    """The person's sound; when it comes faster than it can be heard, the oldest is dropped."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue(_WAITING_FRAMES)

    def push(self, sound: bytes) -> None:
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(rtc.AudioFrame(sound, INPUT_HZ, 1, len(sound) // 2))

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class Call:
    """A conversation under way.

    Args:
        spec: the agent.
        requests: asks the server.
        tell: sends an event to the client.
        emit: takes each 20 ms of the agent's sound at 24 kHz.
        clear: drops what was given out and not heard yet.
    """

    def __init__(
        self,
        spec: VoiceSpec,
        requests: Requests,
        *,
        tell: Tell,
        emit: Callable[[bytes], None],
        clear: Callable[[], None],
    ) -> None:
        self._spec, self._tell = spec, tell
        self._tasks = TaskOwner()
        self._marks: dict[str, float] = {}
        self._turn_open = self._asked = False
        self._microphone = _Microphone()
        self._ears = Ears(changed=self._person_changed)
        self._vad = CallVad(spec.detection, self._ears)
        transcripts = Transcripts(
            self._ears, requests, spec.listening, self._tasks, failed=self._deaf, nothing=self._turn_over
        )
        self._output = PacedOutput(
            emit, clear, self._tasks, ambience=spec.ambience, started=self._first_sound
        )
        self._agent = VoiceAgent(
            Voice(
                requests, transcripts, tell, self._mark, turn_over=self._turn_over, answers=spec.turns.answers
            )
        )
        self._session: AgentSession[None] = AgentSession(
            stt=NoStt(),
            llm=NoLlm(),
            tts=NoTts(),
            vad=self._vad,
            turn_handling=_turns(spec),
            tts_text_transforms=None,
            aec_warmup_duration=None,
            user_away_timeout=None,
        )
        self._session.input.audio = self._microphone
        self._session.output.audio = self._output
        self._session.on("agent_state_changed", self._agent_changed)
        self._session.on("user_input_transcribed", self._transcribed)
        self._session.on("conversation_item_added", self._added)

    async def start(self) -> None:
        """Listens; says the welcome first."""
        await self._session.start(self._agent, record=False)
        if self._spec.welcome:
            self._session.say(self._spec.welcome, allow_interruptions=self._spec.turns.interruptible)

    def sound(self, pcm: bytes) -> None:
        """Takes the person's sound at 16 kHz."""
        if pcm:
            self._vad.hear(pcm)
            if self._spec.turns.detect_end:
                # Only the judge of ended thoughts listens there.
                self._microphone.push(pcm)

    def text(self, text: str) -> None:
        """Takes what the person writes instead of saying it."""
        text = text.strip()[:_LONGEST_TEXT]
        if not text:
            return
        self.interrupt()
        self._marks = {"ended": time.monotonic(), "stopped": time.monotonic()}
        self._tell({"type": "transcript", "text": text, "final": True, "language": "", "typed": True})
        self._session.generate_reply(user_input=text)

    def reply(self) -> None:
        """Has the agent go on; what the person is still saying comes first."""
        if not self._turn_open:
            self._session.generate_reply()
        elif not self._spec.turns.answers:
            # A turn that ends would cut off what is said meanwhile.
            self._asked = True

    def _turn_over(self) -> None:
        self._turn_open = False
        asked, self._asked = self._asked, False
        if asked:
            self._session.generate_reply()

    def say(self, text: str) -> None:
        """Has the agent say something."""
        self._session.say(text[:_LONGEST_TEXT])

    def interrupt(self) -> None:
        """Stops what the agent is saying."""
        self._session.interrupt(force=True)

    def played(self, milliseconds: int) -> None:
        """Takes how much of the utterance under way the client has played."""
        self._output.played(milliseconds / 1000)

    async def close(self) -> None:
        """Ends the conversation and everything that belongs to it."""
        await self._session.aclose()
        await self._tasks.close()

    def _mark(self, name: str) -> None:
        self._marks[name] = time.monotonic()

    def _deaf(self, reason: str) -> None:
        """Says that something was said which could not be understood."""
        self._tell({"type": "error", "code": "stt_failed", "message": reason})
        self._session.say(_NOT_HEARD)

    def _person_changed(self, speaking: bool) -> None:
        if speaking:
            self._turn_open = True
            self._tell({"type": "speech_started", "at": round(self._ears.began_at, 3)})
        else:
            now = time.monotonic()
            self._marks = {"ended": now - self._ears.silence, "stopped": now}
            self._tell({"type": "speech_stopped", "at": round(self._ears.ended_at, 3)})

    def _agent_changed(self, event: Any) -> None:
        state = event.new_state
        self._tell({"type": "state", "state": "listening" if state in ("idle", "initializing") else state})

    def _transcribed(self, event: Any) -> None:
        if event.is_final:
            self._mark("transcribed")
        told = {"text": event.transcript, "final": event.is_final, "language": str(event.language or "")}
        self._tell({"type": "transcript", **told})

    def _added(self, event: Any) -> None:
        item = event.item
        if getattr(item, "role", None) == "assistant":
            told = {"text": (item.text_content or "").strip(), "interrupted": item.interrupted}
            self._tell({"type": "agent_said", **told})

    def _first_sound(self) -> None:
        """Tells how long each stage of the turn took."""
        marks, now = self._marks, time.monotonic()
        self._marks = {}
        if "stopped" not in marks:
            return
        asked = marks.get("asked", marks["stopped"])
        first = marks.get("first_token", asked)
        heard = marks.get("transcribed", marks["stopped"])
        stages = {
            "vad": marks["stopped"] - marks["ended"],
            "stt": max(0.0, heard - marks["stopped"]),
            "eou_delay": max(0.0, asked - max(heard, marks["stopped"])),
            "llm_ttft": max(0.0, first - asked),
            "tts_ttfb": max(0.0, now - first),
            "e2e": now - marks["ended"],
        }
        self._tell({"type": "metrics", **{name: round(value, 3) for name, value in stages.items()}})


def _turns(spec: VoiceSpec) -> Any:
    turns = spec.turns
    detector = inference.TurnDetector(version="v1-mini") if turns.detect_end else "vad"
    return {
        "turn_detection": detector,
        "endpointing": {"min_delay": turns.min_delay, "max_delay": max(turns.min_delay, _LONGEST_WAIT)},
        "interruption": {
            "enabled": turns.interruptible,
            "mode": "vad",
            "min_duration": turns.interrupt_seconds,
            "min_words": turns.interrupt_words,
            "resume_false_interruption": True,
            "false_interruption_timeout": _RESUME_SECONDS,
        },
        "preemptive_generation": {
            "enabled": turns.think_early,
            "preemptive_tts": turns.think_early and turns.speak_early,
        },
    }
