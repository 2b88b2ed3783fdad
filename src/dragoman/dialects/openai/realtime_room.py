"""The conversation by voice behind a realtime session, and what happens in it as server events."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from dragoman.dialects.openai.realtime_answers import Answers, ThreadMind
from dragoman.dialects.openai.realtime_events import Answer, event, new_id, user_item
from dragoman.dialects.openai.realtime_items import Thread
from dragoman.dialects.openai.realtime_outbox import Outbox
from dragoman.dialects.openai.realtime_session import Settings
from dragoman.domain.voice.calls import CallsService, LiveCall, Ways
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.ports import CallSetup, Ended, EngineCall, Output, SoundOut, Told
from dragoman.domain.voice.spec import VoiceSpec
from dragoman.kit.errors import InvalidInput

DIALECT = "openai"
# The response tells of this itself.
_TOLD_OTHERWISE = "llm_failed"


class Room:
    """Begins with the first sound, or at once for a WebRTC call.

    Args:
        calls: holds conversations.
        session: a new session with the settings of now.
        turn_over: called when the person's turn is over and the answer is to be written.
        message: takes a client's event that came over a data channel.
    """

    def __init__(
        self,
        calls: CallsService,
        session: Callable[[], VoiceSession],
        settings: Settings,
        out: Outbox,
        thread: Thread,
        answers: Answers,
        *,
        turn_over: Callable[[], None],
        message: Callable[[dict[str, Any]], None],
    ) -> None:
        self._calls, self._session, self._settings = calls, session, settings
        self._out, self._thread, self._answers = out, thread, answers
        self._turn_over, self._message = turn_over, message
        self._stack = AsyncExitStack()
        self._call: LiveCall | None = None
        self._spec: VoiceSpec | None = None
        self._opening = asyncio.Lock()
        self._relayed = self._cancelling = False
        self._heard: str | None = None
        self._pending: list[str] = []

    @property
    def engine(self) -> EngineCall | None:
        """The conversation, once there is one."""
        return None if self._call is None else self._call.engine

    async def live(self, setup: CallSetup | None = None) -> EngineCall:
        """The conversation, begun with the settings of now.

        Raises:
            DragomanError: there can be none; the message says why.
        """
        async with self._opening:
            if self._call is None:
                setup = setup or CallSetup(self._settings.form_in, self._settings.form_out)
                self._relayed = setup.relayed
                session = self._session()
                ways = Ways(wrap=lambda mind: ThreadMind(mind, self._answers), take=self._take)
                call = await self._calls.hold(session, setup, dialect=DIALECT, ways=ways)
                self._call = await self._stack.enter_async_context(call)
                self._spec = session.spec
            return self._call.engine

    async def change(self, *, forms: bool) -> None:
        """Takes the settings of now for the rest of the conversation; ``forms``: the sound has another form now."""
        if self._call is None:
            return
        if forms and not self._relayed:
            self._call = None
            await self._stack.aclose()
            return
        spec = self._session().spec
        if spec != self._spec:
            self._spec = spec
            self._call.mind.adopt(spec)
            self._call.engine.retune(self._call.mind.spec)

    def cancel(self, answer: Answer) -> None:
        """Stops what is being said; what was not begun is over at once."""
        self._cancelling = True
        if self._call is not None:
            self._call.engine.interrupt()
        if not answer.bytes_sent:
            details = {"type": "cancelled", "reason": "client_cancelled"}
            self._answers.finish(answer, "cancelled", details, heard="")

    async def close(self) -> None:
        """Ends the conversation."""
        self._call = None
        await self._stack.aclose()

    def _take(self, output: Output) -> None:
        match output:
            case SoundOut(data):
                answer = self._voiced()
                if answer is not None:
                    self._answers.sound(answer, data)
            case Told(told):
                self._told(told)
            case Ended(reason, message):
                if reason not in ("left", "stopped", "disconnected"):
                    self._out.fail(InvalidInput(message or "The conversation has ended.", code=reason))
                self._out.end()

    def _voiced(self) -> Answer | None:
        """The response that is being spoken; what comes after a cancelled one belongs to none."""
        answer = self._answers.current
        if answer is not None:
            return answer if answer.spoken else None
        return None if self._cancelling else self._answers.spoken()

    def _told(self, told: Mapping[str, Any]) -> None:
        match told.get("type"):
            case "speech_started":
                self._heard = new_id("item")
                begun = round(told["at"] * 1000)
                self._out.put(
                    event("input_audio_buffer.speech_started", audio_start_ms=begun, item_id=self._heard)
                )
            case "speech_stopped" if self._heard is not None:
                self._stopped(round(told["at"] * 1000), self._heard)
            case "transcript" if told.get("final") and not told.get("typed"):
                self._person_said(str(told.get("text", "")))
            case "agent_text" if told.get("delta"):
                answer = self._voiced()
                if answer is not None:
                    self._answers.words(answer, str(told["delta"]))
            case "agent_said":
                self._agent_said(str(told.get("text", "")), interrupted=told.get("interrupted") is True)
            case "turn_completed" if self._settings.answers:
                self._turn_over()
            case "state":
                self._state(str(told.get("state")))
            case "clear" if self._relayed:
                self._buffer("cleared")
            case "client_message":
                self._message(told["message"])
            case "error" if told.get("code") != _TOLD_OTHERWISE:
                self._out.fail(InvalidInput(str(told.get("message")), code=str(told.get("code"))))
            case _:
                pass

    def _stopped(self, at: int, item_id: str) -> None:
        self._pending.append(item_id)
        self._heard = None
        self._out.put(
            event("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=item_id),
            event("input_audio_buffer.committed", previous_item_id=self._thread.last, item_id=item_id),
        )

    def _person_said(self, text: str) -> None:
        # A noise is speech without a transcript, so the last speech is the one that this is of.
        item_id = self._pending[-1] if self._pending else self._heard or new_id("item")
        self._pending.clear()
        self._heard = None if self._heard == item_id else self._heard
        if item_id in self._thread.items:
            item_id = new_id("item")
        item = user_item(item_id, [{"type": "input_audio", "transcript": text}])
        previous = self._thread.add(item)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._out.put(event(kind, previous_item_id=previous, item=item))
        self._out.put(transcribed(item_id, text))

    def _agent_said(self, text: str, *, interrupted: bool) -> None:
        if self._relayed:
            self._buffer("stopped")
        answer = self._answers.current
        if answer is None or not answer.spoken:
            return
        if not interrupted:
            self._answers.complete(answer)
            return
        reason = "client_cancelled" if self._cancelling else "turn_detected"
        self._answers.finish(answer, "cancelled", {"type": "cancelled", "reason": reason}, heard=text)

    def _state(self, state: str) -> None:
        answer = self._answers.current
        if state == "listening":
            self._cancelling = False
            # One that can be heard is only held, and may go on.
            over = answer is not None and answer.thought and not answer.thinking and not answer.voiced
            if answer is not None and answer.spoken and over:
                details = {"type": "cancelled", "reason": "turn_detected"}
                self._answers.finish(answer, "cancelled", details, heard="")
        elif state == "speaking":
            if answer is not None:
                answer.voiced = True
            if self._relayed:
                self._buffer("started")

    def _buffer(self, what: str) -> None:
        answer = self._answers.current
        self._out.put(event(f"output_audio_buffer.{what}", response_id=answer.id if answer else ""))


def transcribed(item_id: str, text: str, seconds: float = 0) -> dict[str, Any]:
    """What was said in an item."""
    return event(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript=text,
        usage={"type": "duration", "seconds": seconds},
    )
