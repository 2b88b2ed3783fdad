"""Responses of a realtime session: asked for, thought, written or spoken, and ended."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.realtime_events import Answer, Event, call_events, call_item, event, new_id
from dragoman.dialects.openai.realtime_items import Thread, conversation
from dragoman.dialects.openai.realtime_outbox import Outbox
from dragoman.dialects.openai.realtime_session import SessionConfig, Settings
from dragoman.domain.messages.parts import Message
from dragoman.domain.voice.mind import Asked, SessionMind
from dragoman.domain.voice.ports import Thought
from dragoman.kit.errors import DragomanError, InvalidInput

_BEGINNING = "(The conversation begins; nothing has been said yet.)"
_BYTES_A_MS = {"pcm16@24000": 48, "pcmu@8000": 8, "pcma@8000": 8}


@dataclass(frozen=True, slots=True)
class Order:
    """What one response is asked to be. ``input`` None = the conversation so far."""

    config: SessionConfig
    spoken: bool
    metadata: Any = None
    kept: bool = True
    input: tuple[Event, ...] | None = None


class Answers:
    """The responses of a session, one at a time."""

    def __init__(self, out: Outbox, thread: Thread, settings: Settings) -> None:
        self._out, self._thread, self._settings = out, thread, settings
        self.current: Answer | None = None
        self._order: Order | None = None
        self._failure: DragomanError | None = None

    def begin(self, order: Order) -> Answer:
        """A response that is under way from now on.

        Raises:
            InvalidInput: there is one already.
        """
        if self.current is not None:
            raise InvalidInput(
                "A response is under way already.", code="conversation_already_has_active_response"
            )
        self._order, self._failure = order, None
        self.current = Answer(order.spoken, order.metadata, order.kept)
        self._out.put(self.current.created())
        return self.current

    def spoken(self) -> Answer:
        """The response that is to be spoken: the one asked for, else a new one."""
        answer = self.current
        if answer is not None and (answer.thinking or answer.started):
            # A turn of the person's came in between.
            self.finish(answer, "cancelled", {"type": "cancelled", "reason": "turn_detected"})
            answer = None
        return answer or self.begin(Order(self._settings.config, spoken=True))

    async def thoughts(self, answer: Answer, mind: SessionMind) -> AsyncGenerator[Thought]:
        """What the model says, as it comes; its calls are kept for the end."""
        order = self._order
        assert order is not None
        answer.thinking = answer.thought = True
        try:
            async with aclosing(mind.answer(self._asked(order))) as thoughts:
                async for thought in thoughts:
                    if thought.call is not None:
                        answer.calls.append(thought.call)
                    if thought.end is not None:
                        answer.end = thought.end
                    yield thought
        except DragomanError as error:
            self._failure = error
            raise
        finally:
            answer.thinking = False

    async def write(self, answer: Answer, mind: SessionMind) -> None:
        """Carries out a response that is only written."""
        try:
            async with aclosing(self.thoughts(answer, mind)) as thoughts:
                async for thought in thoughts:
                    if thought.text:
                        self.words(answer, thought.text)
        except DragomanError:
            # The response tells of it.
            pass
        self.complete(answer)

    def words(self, answer: Answer, text: str) -> None:
        """More of the text."""
        self._message(answer)
        self._out.put(answer.words(text))

    def sound(self, answer: Answer, data: bytes) -> None:
        """More of the sound."""
        self._message(answer)
        self._out.put(answer.sound(data))

    def complete(self, answer: Answer) -> None:
        """The response has come to its own end."""
        if self._failure is not None:
            told = error_body(self._failure)["error"]
            return self.finish(answer, "failed", {"type": "failed", "error": told})
        if answer.end is not None and answer.end.reason == "length":
            return self.finish(answer, "incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
        if answer.end is not None and answer.end.reason == "content_filter":
            return self.finish(answer, "incomplete", {"type": "incomplete", "reason": "content_filter"})
        return self.finish(answer, "completed")

    def finish(self, answer: Answer, status: str, details: Any = None, *, heard: str | None = None) -> None:
        """Closes everything; ``heard`` is as much of the text as reached the person."""
        if self.current is not answer:
            return
        self.current = None
        if answer.started:
            state = "completed" if status == "completed" else "incomplete"
            item = answer.message(state, heard)
            if answer.kept and item["id"] in self._thread.items:
                self._thread.items[item["id"]] = item
            if answer.spoken and answer.bytes_sent:
                rate = _BYTES_A_MS[self._settings.form_out]
                self._thread.sound_ms[item["id"]] = answer.bytes_sent // rate
            self._out.put(*answer.ended(item))
        if status == "completed":
            self._call(answer)
        self._out.put(event("response.done", response=answer.response(status, details)))

    def _call(self, answer: Answer) -> None:
        """Gives the client the calls that it is to carry out."""
        for call in answer.calls:
            item_id, before = new_id("item"), self._thread.last
            item = call_item(item_id, call, "completed")
            if answer.kept:
                self._thread.add(item)
            self._out.put(*call_events(answer.id, len(answer.output), item_id, call, before))
            answer.output.append(item)

    def _message(self, answer: Answer) -> None:
        if not answer.started:
            previous = self._thread.add(answer.message("in_progress")) if answer.kept else None
            self._out.put(*answer.begun(previous))

    def _asked(self, order: Order) -> Asked:
        config = order.config
        messages = self._thread.messages() if order.input is None else conversation(list(order.input))
        tokens = config.max_output_tokens
        return Asked(
            messages or (Message.of_text("user", _BEGINNING),),
            tools=config.tool_specs(),
            tool_choice=config.choice(),
            instructions=config.instructions or None,
            max_tokens=tokens if isinstance(tokens, int) else None,
        )


class ThreadMind:
    """A ``Mind`` that answers to the session's own thread instead of what the engine remembers."""

    def __init__(self, mind: SessionMind, answers: Answers) -> None:
        self._mind, self._answers = mind, answers
        self.hear, self.speak = mind.hear, mind.speak

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncGenerator[Thought]:
        """The answer to the thread; one that only calls is over with that."""
        answer = self._answers.spoken()
        wrote = False
        async with aclosing(self._answers.thoughts(answer, self._mind)) as thoughts:
            async for thought in thoughts:
                wrote = wrote or bool(thought.text)
                yield thought
        if not wrote and answer.calls:
            self._answers.complete(answer)
