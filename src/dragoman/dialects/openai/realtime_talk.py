"""One realtime session: what the client sends, carried out."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from dragoman.dialects.openai.realtime_answers import Answers, Order
from dragoman.dialects.openai.realtime_events import event, new_id, user_item
from dragoman.dialects.openai.realtime_items import Thread, item_of
from dragoman.dialects.openai.realtime_outbox import Outbox
from dragoman.dialects.openai.realtime_room import DIALECT, Room, transcribed
from dragoman.dialects.openai.realtime_session import Settings
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.speech.ports import Recording, TranscribeOptions
from dragoman.domain.services import Services
from dragoman.domain.voice.mind import SessionMind
from dragoman.domain.voice.ports import CallSetup
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.pcm import alaw_decoded, mulaw_decoded
from dragoman.kit.tasks import TaskOwner

_LONGEST_BUFFER = 15 << 20
_LEAST_SECONDS = 0.1
_MOST_WAITING = 1000
# What of a session one response may have otherwise.
_OWN = ("instructions", "tools", "tool_choice", "max_output_tokens", "output_modalities")


class Realtime:
    """The state of a session; its server events come out of ``out``."""

    def __init__(self, services: Services, caller: Caller, settings: Settings, model: str | None) -> None:
        self.settings, self.caller = settings, caller
        self._services, self._model = services, model
        self.id, self.out = new_id("sess"), Outbox()
        self._tasks, self._thread = TaskOwner(), Thread()
        self._answers = Answers(self.out, self._thread, settings)
        self._room = Room(
            services.voice_calls,
            lambda: settings.session(caller, self.id, model),
            settings,
            self.out,
            self._thread,
            self._answers,
            turn_over=self._answer_turn,
            message=self._queue,
        )
        self._mind: SessionMind | None = None
        self._writing: asyncio.Task[None] | None = None
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_WAITING)
        self._buffer = bytearray()
        self._handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "output_audio_buffer.clear": self._silence,
            "conversation.item.create": self._create,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }

    def begin(self) -> None:
        """Greets the client."""
        self.out.put(event("session.created", session=self._shown()))

    async def answer(self, offer: str) -> str:
        """The answer to a WebRTC offer; events go over the data channel from then on.

        Raises:
            DragomanError: there can be no call; the message says why.
        """
        servers = tuple(self._services.settings.voice.ice_servers)
        engine = await self._room.live(CallSetup(webrtc=True, relayed=True, ice_servers=servers))
        answer = await engine.answer(offer)
        self._tasks.start(self._take_queued(), name="realtime.take")
        return answer

    def relay(self, text: str) -> None:
        """Sends an event over the data channel."""
        engine = self._room.engine
        if engine is not None:
            engine.relay(text)

    async def take(self, message: dict[str, Any]) -> None:
        """Carries out a client event; what cannot be done is answered with an error event."""
        try:
            handler = self._handlers.get(str(message.get("type")))
            if handler is None:
                raise InvalidInput(f"There is no event {str(message.get('type'))[:60]!r}.", param="type")
            await handler(message)
        except DragomanError as error:
            self.out.fail(error, message.get("event_id"))

    async def close(self) -> None:
        """Ends the session and its conversation."""
        await self._tasks.close()
        await self._room.close()
        self.out.end()
        if self._mind is not None:
            await asyncio.to_thread(self._mind.account)

    def _queue(self, message: dict[str, Any]) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(message)

    async def _take_queued(self) -> None:
        while True:
            await self.take(await self._waiting.get())

    def _shown(self) -> dict[str, Any]:
        return self.settings.shown(self.id, self._model or self._services.catalogue.default().name)

    async def _update(self, message: dict[str, Any]) -> None:
        session = message.get("session")
        if not isinstance(session, dict):
            raise InvalidInput("session: an object is needed.", param="session")
        before = self.settings.form_in, self.settings.form_out
        trial = Settings(self.settings.raw, self.settings.config)
        trial.update(session)
        if not trial.text_only:
            self._services.speech.check_voice(self._services.speech.synthesizer(), trial.voice)
        self.settings.update(session)
        await self._room.change(forms=before != (self.settings.form_in, self.settings.form_out))
        self.out.put(event("session.updated", session=self._shown()))

    async def _append(self, message: dict[str, Any]) -> None:
        data = _decoded(message.get("audio"), "audio")
        if self.settings.hands_free:
            (await self._room.live()).sound(data)
            return
        if len(self._buffer) + len(data) > _LONGEST_BUFFER:
            raise InvalidInput("The input audio buffer is full.", param="audio", code="buffer_full")
        self._buffer += data

    async def _commit(self, message: dict[str, Any]) -> None:
        if not self._buffer:
            raise InvalidInput("The input audio buffer is empty.", code="input_audio_buffer_commit_empty")
        data, item_id = bytes(self._buffer), new_id("item")
        self._buffer.clear()
        item = user_item(item_id, [{"type": "input_audio", "transcript": None}])
        previous = self._thread.add(item)
        self.out.put(event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id))
        for kind in ("conversation.item.added", "conversation.item.done"):
            self.out.put(event(kind, previous_item_id=previous, item=item))
        try:
            text = await self._transcribed(data)
        except DragomanError as error:
            self._thread.remove(item_id)
            self.out.put(
                event(
                    "conversation.item.input_audio_transcription.failed",
                    item_id=item_id,
                    content_index=0,
                    error={"type": "invalid_request_error", "code": error.code, "message": error.detail},
                )
            )
            return
        item["content"] = [{"type": "input_audio", "transcript": text}]
        self.out.put(transcribed(item_id, text, len(data) / _bytes_a_second(self.settings.form_in)))

    async def _transcribed(self, data: bytes) -> str:
        code, _, rate = self.settings.form_in.partition("@")
        decode = {"pcmu": mulaw_decoded, "pcma": alaw_decoded}.get(code)
        pcm = decode(data) if decode is not None else data[: len(data) // 2 * 2]
        if len(pcm) / 2 / int(rate) < _LEAST_SECONDS:
            raise InvalidInput("At least 100 ms of sound are needed.", code="input_audio_buffer_commit_empty")
        given = self.settings.config.audio.input.transcription
        options = TranscribeOptions(language=(given.language if given is not None else None) or "en")
        recording = Recording(pcm, pcm_rate_hz=int(rate))
        return (await self._services.speech.transcribe(recording, options)).text.strip()

    async def _read(self, audio: str, where: str) -> str:
        return await self._transcribed(_decoded(audio, where))

    async def _clear(self, message: dict[str, Any]) -> None:
        self._buffer.clear()
        self.out.put(event("input_audio_buffer.cleared"))

    async def _create(self, message: dict[str, Any]) -> None:
        item = await item_of(message.get("item"), self._read)
        after = message.get("previous_item_id")
        previous = self._thread.add(item, None if after is None else str(after))
        for kind in ("conversation.item.added", "conversation.item.done"):
            self.out.put(event(kind, previous_item_id=previous, item=item))

    async def _retrieve(self, message: dict[str, Any]) -> None:
        item = self._thread.known(message.get("item_id"))
        self.out.put(event("conversation.item.retrieved", item=item))

    async def _delete(self, message: dict[str, Any]) -> None:
        self._thread.remove(message.get("item_id"))
        self.out.put(event("conversation.item.deleted", item_id=message["item_id"]))

    async def _truncate(self, message: dict[str, Any]) -> None:
        place, until = message.get("content_index", 0), message.get("audio_end_ms")
        answer, engine = self._answers.current, self._room.engine
        if answer is not None and answer.item == message.get("item_id") and engine is not None:
            # It is being spoken: what the client has played is what is kept when it is cut off.
            if not isinstance(until, int):
                raise InvalidInput("audio_end_ms: a number of milliseconds is needed.", param="audio_end_ms")
            engine.played(until)
            self._room.cancel(answer)
        else:
            self._thread.truncate(message.get("item_id"), place, until)
        self.out.put(
            event(
                "conversation.item.truncated",
                item_id=message["item_id"],
                content_index=place,
                audio_end_ms=until,
            )
        )

    async def _respond(self, message: dict[str, Any]) -> None:
        if self.settings.config.type == "transcription":
            raise InvalidInput("A transcription session gives no responses.", code="invalid_value")
        asked = message.get("response") or {}
        if not isinstance(asked, dict):
            raise InvalidInput("response: an object is needed.", param="response")
        order = await self._ordered(asked)
        if not order.spoken:
            self._write(order)
            return
        engine = await self._room.live()
        self._answers.begin(order)
        engine.reply()

    async def _ordered(self, wanted: dict[str, Any]) -> Order:
        own = {name: wanted[name] for name in _OWN if wanted.get(name) is not None}
        trial = Settings(self.settings.raw, self.settings.config)
        trial.update(own, where="response")
        given = wanted.get("input")
        items = None
        if given is not None:
            if not isinstance(given, list):
                raise InvalidInput("response.input: a list is needed.", param="response.input")
            items = tuple([await self._input(item, number) for number, item in enumerate(given)])
        return Order(
            trial.config,
            spoken=not trial.text_only,
            metadata=wanted.get("metadata"),
            kept=wanted.get("conversation") != "none",
            input=items,
        )

    async def _input(self, item: object, number: int) -> dict[str, Any]:
        if isinstance(item, dict) and item.get("type") == "item_reference":
            return self._thread.known(item.get("id"), f"response.input[{number}].id")
        return await item_of(item, self._read, f"response.input[{number}]")

    def _answer_turn(self) -> None:
        if self._answers.current is None:
            self._write(Order(self.settings.config, spoken=False))

    def _write(self, order: Order) -> None:
        """Begins an answer that is only written."""
        if self._mind is None:
            session = self.settings.session(self.caller, self.id, self._model)
            self._mind = self._services.voice_calls.mind(session, dialect=DIALECT)
        answer = self._answers.begin(order)
        work = self._answers.write(answer, self._mind)
        self._writing = self._tasks.start(work, name="realtime.write")

    async def _cancel(self, message: dict[str, Any]) -> None:
        answer = self._answers.current
        if answer is None:
            raise InvalidInput("No response is under way.", code="response_cancel_not_active")
        if answer.spoken:
            self._room.cancel(answer)
            return
        if self._writing is not None:
            self._writing.cancel()
        self._answers.finish(answer, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})

    async def _silence(self, message: dict[str, Any]) -> None:
        answer = self._answers.current
        if answer is not None and answer.spoken:
            self._room.cancel(answer)


def _bytes_a_second(form: str) -> int:
    code, _, rate = form.partition("@")
    return int(rate) * (2 if code == "pcm16" else 1)


def _decoded(data: object, where: str) -> bytes:
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{where}: base64 is needed.", param=where) from error
