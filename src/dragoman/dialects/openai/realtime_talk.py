"""One realtime session: client events to the conversation, what happens there to server events."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.realtime_events import Answer, Event, event, new_id, user_item
from dragoman.dialects.openai.realtime_session import Settings
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.speech.ports import Recording, TranscribeOptions
from dragoman.domain.services import Services
from dragoman.domain.voice.calls import LiveCall
from dragoman.domain.voice.mind import SessionMind
from dragoman.domain.voice.ports import CallSetup, Ended, Output, SoundOut, Told
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.pcm import alaw_decoded, mulaw_decoded
from dragoman.kit.tasks import TaskOwner

DIALECT = "openai"
_LONGEST_BUFFER = 15 << 20
_LEAST_SECONDS = 0.1
_MOST_ITEMS = 1000
Send = Callable[[Event], Awaitable[None]]


class Realtime:
    """The state of a session. ``send`` puts an event on the socket."""

    def __init__(
        self, services: Services, caller: Caller, settings: Settings, model: str | None, send: Send
    ) -> None:
        self.settings = settings
        self._services, self._caller, self._model, self._send = services, caller, model, send
        self.id = new_id("sess")
        self._stack, self._tasks = AsyncExitStack(), TaskOwner()
        self._call: LiveCall | None = None
        self._mind: SessionMind | None = None
        self._answer: Answer | None = None
        self._writing: asyncio.Task[None] | None = None
        self._items: dict[str, Event] = {}
        self._waiting: list[str] = []
        self._buffer = bytearray()
        self._heard: str | None = None
        self._played = 0
        self._handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "output_audio_buffer.clear": self._cancel,
            "conversation.item.create": self._create,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }

    async def begin(self) -> None:
        """Greets the client."""
        await self._send(event("session.created", session=self._shown()))

    async def take(self, message: dict[str, Any]) -> None:
        """Carries out a client event; what cannot be done is answered with an error event."""
        try:
            handler = self._handlers.get(str(message.get("type")))
            if handler is None:
                raise InvalidInput(f"There is no event {str(message.get('type'))[:60]!r}.", param="type")
            await handler(message)
        except DragomanError as error:
            await self._failed(error, message.get("event_id"))

    async def close(self) -> None:
        """Ends the session and its conversation."""
        await self._tasks.close()
        await self._stack.aclose()
        if self._mind is not None:
            await asyncio.to_thread(self._mind.account)

    def _shown(self) -> dict[str, Any]:
        return self.settings.shown(self.id, self._model or self._services.catalogue.default().name)

    async def _failed(self, error: DragomanError, event_id: object = None) -> None:
        told = error_body(error)["error"]
        assert isinstance(told, dict)
        await self._send(event("error", error={**told, "event_id": event_id}))

    async def _update(self, message: dict[str, Any]) -> None:
        session = message.get("session")
        if not isinstance(session, dict):
            raise InvalidInput("session: an object is needed.", param="session")
        before = self.settings.raw
        self.settings.update(session)
        try:
            engine = self._services.speech.synthesizer()
            self._services.speech.check_voice(engine, self.settings.voice)
        except InvalidInput:
            self.settings.update(before)
            raise
        await self._send(event("session.updated", session=self._shown()))

    async def _live(self) -> LiveCall:
        """The conversation, begun with the settings of now."""
        if self._call is None:
            session = self.settings.session(self._caller, self.id, self._model)
            setup = CallSetup(self.settings.form_in, self.settings.form_out)
            call = await self._services.voice_calls.hold(session, setup, dialect=DIALECT)
            self._call = await self._stack.enter_async_context(call)
            self._tasks.start(self._listen(call), name="realtime.listen")
        return self._call

    async def _append(self, message: dict[str, Any]) -> None:
        data = _decoded(message.get("audio"), "audio")
        if self.settings.hands_free and not self.settings.text_only:
            (await self._live()).engine.sound(data)
            return
        if len(self._buffer) + len(data) > _LONGEST_BUFFER:
            raise InvalidInput("The input audio buffer is full.", param="audio", code="buffer_full")
        self._buffer += data

    async def _commit(self, message: dict[str, Any]) -> None:
        if not self._buffer:
            raise InvalidInput("The input audio buffer is empty.", code="input_audio_buffer_commit_empty")
        data, item_id = bytes(self._buffer), new_id("item")
        self._buffer.clear()
        previous = self._last()
        await self._send(event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id))
        text = await self._transcribed(data, self.settings.form_in)
        await self._add(user_item(item_id, [{"type": "input_audio", "transcript": text}]), text)
        await self._send(_completed(item_id, text))

    async def _transcribed(self, data: bytes, form: str) -> str:
        code, _, rate = form.partition("@")
        decode = {"pcmu": mulaw_decoded, "pcma": alaw_decoded}.get(code)
        pcm = decode(data) if decode is not None else data[: len(data) // 2 * 2]
        if len(pcm) / 2 / int(rate) < _LEAST_SECONDS:
            raise InvalidInput("At least 100 ms of sound are needed.", code="input_audio_buffer_commit_empty")
        given = self.settings.config.audio.input.transcription
        options = TranscribeOptions(language=(given.language if given is not None else None) or "en")
        recording = Recording(pcm, pcm_rate_hz=int(rate))
        return (await self._services.speech.transcribe(recording, options)).text.strip()

    async def _clear(self, message: dict[str, Any]) -> None:
        self._buffer.clear()
        await self._send(event("input_audio_buffer.cleared"))

    async def _create(self, message: dict[str, Any]) -> None:
        item = message.get("item")
        if not isinstance(item, dict) or item.get("type", "message") != "message":
            raise InvalidInput("item: a message is needed.", param="item")
        role, content = item.get("role"), item.get("content")
        if role not in ("user", "assistant", "system") or not isinstance(content, list):
            raise InvalidInput("item: role and content are needed.", param="item.role")
        texts: list[str] = []
        for number, part in enumerate(content):
            texts.append(await self._read(part, f"item.content[{number}]"))
        text = "\n".join(text for text in texts if text)
        item_id = str(item.get("id") or new_id("item"))
        await self._add({**user_item(item_id, content), "role": role}, text if role == "user" else None)

    async def _read(self, part: object, where: str) -> str:
        if isinstance(part, dict):
            if isinstance(part.get("text"), str):
                return str(part["text"])
            if part.get("type") == "input_audio":
                if isinstance(part.get("audio"), str):
                    return await self._transcribed(_decoded(part["audio"], where), self.settings.form_in)
                return str(part.get("transcript") or "")
        raise InvalidInput(f"{where}: input_text or input_audio is needed.", param=where)

    async def _add(self, item: Event, waiting: str | None) -> None:
        if len(self._items) >= _MOST_ITEMS:
            raise InvalidInput(f"A conversation holds at most {_MOST_ITEMS} items.", code="too_many_items")
        previous = self._last()
        self._items[item["id"]] = item
        if waiting:
            self._waiting.append(waiting)
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self._send(event(kind, previous_item_id=previous, item=item))

    def _last(self) -> str | None:
        return next(reversed(self._items), None)

    def _known(self, message: dict[str, Any]) -> Event:
        item = self._items.get(str(message.get("item_id")))
        if item is None:
            raise NotFound("There is no item with this id.", param="item_id", code="item_not_found")
        return item

    async def _retrieve(self, message: dict[str, Any]) -> None:
        await self._send(event("conversation.item.retrieved", item=self._known(message)))

    async def _delete(self, message: dict[str, Any]) -> None:
        del self._items[self._known(message)["id"]]
        await self._send(event("conversation.item.deleted", item_id=message["item_id"]))

    async def _truncate(self, message: dict[str, Any]) -> None:
        # The engine cuts its own history to what was heard; the client's view of it is confirmed.
        item = self._known(message)
        place = {
            "content_index": message.get("content_index", 0),
            "audio_end_ms": message.get("audio_end_ms", 0),
        }
        await self._send(event("conversation.item.truncated", item_id=item["id"], **place))

    async def _respond(self, message: dict[str, Any]) -> None:
        if self._answer is not None:
            raise InvalidInput(
                "A response is under way already.", code="conversation_already_has_active_response"
            )
        waiting, self._waiting = "\n".join(self._waiting), []
        asked = message.get("response")
        wanted = asked if isinstance(asked, dict) else {}
        if wanted.get("output_modalities", self.settings.config.output_modalities) == ["text"]:
            self._answer = Answer(spoken=False, previous=self._last(), metadata=wanted.get("metadata"))
            self._writing = self._tasks.start(self._write(self._answer), name="realtime.write")
            return
        engine = (await self._live()).engine
        self._answer = Answer(spoken=True, previous=self._last(), metadata=wanted.get("metadata"))
        await self._all(self._answer.begun())
        if waiting:
            engine.text(waiting)
        else:
            engine.reply()

    async def _write(self, answer: Answer) -> None:
        """An answer that is only written."""
        if self._mind is None:
            session = self.settings.session(self._caller, self.id, self._model)
            self._mind = self._services.voice_calls.mind(session, dialect=DIALECT)
        await self._all(answer.begun())
        status, details = "completed", None
        try:
            async for thought in self._mind.think(self._said()):
                if thought.text:
                    await self._send(answer.words(thought.text))
        except DragomanError as error:
            status, details = "failed", {"type": "failed", "error": error_body(error)["error"]}
        except asyncio.CancelledError:
            await self._finish(answer, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})
            raise
        await self._finish(answer, status, details)

    def _said(self) -> list[Mapping[str, str]]:
        turns: list[Mapping[str, str]] = []
        for item in self._items.values():
            texts = [str(part.get("text") or part.get("transcript") or "") for part in item["content"]]
            turns.append({"role": item["role"], "text": "\n".join(texts)})
        return turns

    async def _finish(self, answer: Answer, status: str, details: Any = None) -> None:
        self._answer = None
        for told in answer.ended(status, details):
            if told["type"] == "conversation.item.done" and answer.text:
                self._items[answer.item] = told["item"]
            await self._send(told)

    async def _cancel(self, message: dict[str, Any]) -> None:
        if self._answer is None and message["type"] == "response.cancel":
            raise InvalidInput("No response is under way.", code="response_cancel_not_active")
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
        elif self._call is not None:
            self._call.engine.interrupt()

    async def _all(self, events: list[Event]) -> None:
        for told in events:
            await self._send(told)

    async def _listen(self, call: LiveCall) -> None:
        async for output in call.outputs():
            await self._happened(output)

    async def _happened(self, output: Output) -> None:
        match output:
            case SoundOut(data):
                await self._send((await self._speaking()).sound(data))
            case Ended(reason, message):
                if reason != "left":
                    await self._failed(InvalidInput(message or "The conversation has ended.", code=reason))
            case Told(told):
                await self._told(told)

    async def _speaking(self) -> Answer:
        if self._answer is None:
            self._answer = Answer(spoken=True, previous=self._last())
            await self._all(self._answer.begun())
        return self._answer

    async def _told(self, told: Mapping[str, Any]) -> None:
        match told.get("type"):
            case "speech_started":
                self._heard = new_id("item")
                await self._send(
                    event("input_audio_buffer.speech_started", audio_start_ms=0, item_id=self._heard)
                )
            case "speech_stopped" if self._heard is not None:
                await self._send(
                    event("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=self._heard)
                )
                await self._send(
                    event("input_audio_buffer.committed", previous_item_id=self._last(), item_id=self._heard)
                )
            case "transcript" if told.get("final") and not told.get("typed"):
                await self._person_said(str(told.get("text", "")))
            case "agent_text" if told.get("delta"):
                await self._send((await self._speaking()).words(str(told["delta"])))
            case "agent_said":
                await self._agent_said(interrupted=told.get("interrupted") is True)
            case "error":
                await self._failed(InvalidInput(str(told.get("message")), code=str(told.get("code"))))
            case _:
                pass

    async def _person_said(self, text: str) -> None:
        item_id = self._heard or new_id("item")
        self._heard = None
        await self._add(user_item(item_id, [{"type": "input_audio", "transcript": text}]), None)
        await self._send(_completed(item_id, text))

    async def _agent_said(self, *, interrupted: bool) -> None:
        answer = self._answer
        if answer is None:
            return
        if interrupted:
            details = {"type": "cancelled", "reason": "turn_detected"}
            await self._finish(answer, "cancelled", details)
        else:
            await self._finish(answer, "completed")


def _completed(item_id: str, text: str) -> Event:
    return event(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript=text,
        usage={"type": "duration", "seconds": 0},
    )


def _decoded(data: object, where: str) -> bytes:
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{where}: base64 is needed.", param=where) from error
