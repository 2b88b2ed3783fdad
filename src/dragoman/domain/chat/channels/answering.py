"""Answers what a contact wrote: joined after a pause, one answer at a time, each message once."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import RunLater
from dragoman.domain.chat.attachments import ChatUploads
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.commands import command_of, usage_text
from dragoman.domain.chat.channels.delivery import ContactDelivery
from dragoman.domain.chat.channels.jobs import enqueue_send
from dragoman.domain.chat.channels.model import Contact, OutgoingSource, Place, Received
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import Fetched, MediaRef, MediaType, Outgoing
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.channels.texts import Occasion, polite
from dragoman.domain.chat.errors import ChatUnavailable
from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.repository import messages
from dragoman.domain.chat.service import ChatService, Prompt
from dragoman.domain.chat.spec import InputMode
from dragoman.domain.chat.turn import Reply
from dragoman.domain.chat.uploads import attached
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Part, TextPart, VideoPart
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import (
    Conflict,
    DragomanError,
    Forbidden,
    InvalidInput,
    QuotaExceeded,
    TooLarge,
    Unsupported,
)
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_CAP = 10
_TYPING_SECONDS = 4.0
_BUSY_MS = 1000
_UNNAMED: Mapping[MediaType, str] = MappingProxyType(
    {"image": "picture", "video": "video", "audio": "recording", "document": "document"}
)
_STATES = ("waiting", "asked")
_MODES: Mapping[MediaType, InputMode] = MappingProxyType(
    {"image": "image", "video": "image", "audio": "audio", "document": "document"}
)


@dataclass(frozen=True, slots=True)
class _Work:
    """What there is to answer."""

    place: Place
    contact: Contact
    waiting: list[Received]

    @property
    def keys(self) -> list[int]:
        return [one.key for one in self.waiting]


class ContactAnswers:
    """The handler of answering jobs."""

    def __init__(
        self,
        *,
        database: Database,
        places: Places,
        chat: ChatService,
        uploads: ChatUploads,
        sessions: ContactSessions,
        delivery: ContactDelivery,
        takeover: Takeover,
        tasks: TaskOwner,
        wake: Callable[[], None],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._places = places
        self._chat = chat
        self._uploads = uploads
        self._sessions = sessions
        self._delivery = delivery
        self._takeover = takeover
        self._tasks = tasks
        self._wake = wake
        self._clock_ms = clock_ms

    async def handle(self, payload: JsonObject) -> None:
        """Answers what waits from one contact; may be called again after a crash at any point.

        Raises:
            RunLater: the contact may still be writing, or is being answered.
            DragomanError: the answer failed.
        """
        key = payload["contact"]
        assert isinstance(key, int)
        work = await self._database.read(self._load, key)
        if work is None or not work.waiting:
            return
        if self._takeover.is_held(work.contact):
            await self._note_only(work)
            return
        self._wait_for_more(work)
        if await self._commanded(work):
            return
        await self._answer(work)

    async def failed(self, payload: JsonObject, reason: str) -> None:
        """Tells a contact that the answer failed for good, and keeps why."""
        key = payload["contact"]
        assert isinstance(key, int)
        work = await self._database.read(self._load, key)
        if work is not None and work.waiting:
            await self._decline(work, "failed", reason, settled="failed")

    def _load(self, connection: Connection, contact_key: int) -> _Work | None:
        contact = repository.contact(connection, contact_key)
        if contact is None:
            return None
        place = self._places.load(connection, contact.client_id, contact.channel)
        if place is None:
            return None
        return _Work(place, contact, repository.received(connection, contact_key, _STATES))

    def _wait_for_more(self, work: _Work) -> None:
        debounce = work.place.client.draft.spec.debounce_ms or 0
        arrivals = [one.received_at for one in work.waiting]
        due = min(max(arrivals) + debounce, min(arrivals) + _CAP * debounce)
        if due > self._clock_ms():
            raise RunLater(due)

    async def _note_only(self, work: _Work) -> None:
        """Keeps what the contact wrote to a person in the session."""
        access_key = await self._database.write(self._open, work)
        new = [one for one in work.waiting if one.state == "waiting"]
        written = [(one, await self._parts(work, [one], access_key)) for one in new]

        def note(connection: Connection) -> None:
            session_key = self._sessions.ensure(connection, work.place, work.contact)
            for one, parts in written:
                said = ChatMessage(0, uuid7(), "user", parts, one.received_at)
                beside = attached.words(connection, session_key, parts)
                messages.insert(connection, session_key, said, beside=beside)
            repository.settle(connection, work.keys, "done")

        await self._database.write(note)

    # Commands

    async def _commanded(self, work: _Work) -> bool:
        """Whether all that waits were commands, which are carried out."""
        found = [
            (one, command_of(one.text, debug=work.place.client.draft.spec.debug)) for one in work.waiting
        ]
        last = max((place for place, (_, command) in enumerate(found) if command), default=None)
        if last is None:
            return False
        one, command = found[last]
        # What was written before a reset goes with it.
        keys = [earlier.key for earlier, _ in found[: last + 1]] if command == "reset" else [one.key]
        language = work.place.client.draft.spec.language
        access_key = await self._database.write(self._open, work)
        if command == "reset":
            await self._chat.clear(access_key)
            text = polite("reset", language)
        else:
            live, said = await self._chat.said(access_key)
            text = usage_text(live.session.token_count, len(said))
        await self._database.write(self._put_out, work.contact, keys, "notice", [Outgoing(text)], "done")
        self._wake()
        if len(keys) < len(work.waiting):
            raise RunLater(self._clock_ms())
        return True

    def _open(self, connection: Connection, work: _Work) -> str:
        return self._sessions.open(connection, work.place, work.contact)[2]

    # Answers

    async def _answer(self, work: _Work) -> None:
        new = [one for one in work.waiting if one.state == "waiting"]
        try:
            access_key = await self._database.write(self._open, work)
            parts = await self._parts(work, new, access_key) if new else None
            turn = await self._chat.ask(access_key, self._prompt(work, parts))
            async with self._typing(work):
                await turn.reply()
        except Conflict as error:
            raise RunLater(self._clock_ms() + _BUSY_MS) from error
        except QuotaExceeded as error:
            await self._decline(work, "too_many", error.detail)
        except ChatUnavailable as error:
            await self._decline(work, "over", error.detail)
        except Forbidden as error:
            log.warning("channel.forbidden", client=work.contact.client_id, code=error.code)
            await self._say(work, error.detail, "done", None)
        except InvalidInput as error:
            log.warning("channel.refused", client=work.contact.client_id, reason=error.detail)
            await self._decline(work, "not_understood", error.detail, settled="failed")
        self._wake()

    def _prompt(self, work: _Work, parts: tuple[Part, ...] | None) -> Prompt:
        audio = any(media.kind == "audio" for one in work.waiting for media in one.media)

        def asked(connection: Connection) -> None:
            repository.settle(connection, work.keys, "asked")

        def answered(connection: Connection, reply: Reply) -> None:
            pieces = self._delivery.pieces(work.place, reply.answer, spoken=audio)
            self._put_out(connection, work.contact, work.keys, "answer", pieces, "done")

        return Prompt(
            parts,
            dialect="channel",
            origin=work.contact.channel,
            public=True,
            media_to_text=("audio",) if audio else (),
            on_asked=asked,
            on_answered=answered,
        )

    def _put_out(
        self,
        connection: Connection,
        contact: Contact,
        settled: Sequence[int],
        source: OutgoingSource,
        pieces: Sequence[Outgoing],
        state: str,
        error: str | None = None,
    ) -> None:
        repository.settle(connection, settled, state, error)
        repository.put_out(connection, contact.key, source, pieces, self._clock_ms())
        enqueue_send(connection, contact.key)

    async def _decline(self, work: _Work, why: Occasion, reason: str, *, settled: str = "done") -> None:
        """A polite sentence instead of an answer."""
        text = polite(why, work.place.client.draft.spec.language)
        await self._say(work, text, settled, reason if settled == "failed" else None)

    async def _say(self, work: _Work, text: str, settled: str, error: str | None) -> None:
        pieces = [Outgoing(text)]
        await self._database.write(self._put_out, work.contact, work.keys, "notice", pieces, settled, error)
        self._wake()

    # Media

    async def _parts(self, work: _Work, waiting: Sequence[Received], access_key: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        modes = work.place.client.draft.spec.input_modes
        for one in waiting:
            for media in one.media:
                if _MODES[media.kind] not in modes:
                    parts.append(
                        TextPart(f"[The user sent {_called(media)}, which cannot be received here.]")
                    )
                    continue
                parts.append(await self._fetched(work.place, media, access_key))
            if one.text:
                parts.append(TextPart(one.text))
        return _joined(parts) or (TextPart("[An empty message.]"),)

    async def _fetched(self, place: Place, media: MediaRef, access_key: str) -> Part:
        adapter = self._places.adapter(place.integration.channel)
        try:
            fetched = await adapter.fetch(place.integration, media)
        except DragomanError as error:
            if error.status >= 500:
                raise
            log.warning("channel.media_lost", channel=place.integration.channel, reason=error.detail)
            return TextPart(f"[The user sent {_called(media)}, which could not be fetched.]")
        return await self._taken(media, fetched, access_key)

    async def _taken(self, media: MediaRef, fetched: Fetched, access_key: str) -> Part:
        """The file as one of the session, so that it is read and heard like those of the chat page."""
        name = fetched.filename or media.filename or _UNNAMED[media.kind]
        try:
            stored = await self._uploads.put(
                access_key, name=name, media_type=fetched.mime, data=fetched.data
            )
        except Unsupported:
            # A model may still know what to do with a picture, a film or a sound of a rare kind.
            if media.kind != "document":
                return _part(media, fetched)
            return TextPart(f"[The user sent {_called(media)}, which cannot be read here.]")
        except (InvalidInput, TooLarge) as error:
            log.info("channel.media_not_kept", reason=error.detail)
            return TextPart(f"[The user sent {_called(media)}, which could not be taken: {error.detail}]")
        return stored.part

    @asynccontextmanager
    async def _typing(self, work: _Work) -> AsyncGenerator[None]:
        task = self._tasks.start(self._show_typing(work), name="channel.typing")
        try:
            yield
        finally:
            task.cancel()

    async def _show_typing(self, work: _Work) -> None:
        adapter = self._places.adapter(work.contact.channel)
        while not work.contact.simulated:
            try:
                await adapter.typing(work.place.integration, work.contact.address)
            except DragomanError as error:
                # It is a courtesy; the answer does not depend on it.
                log.info("channel.typing_failed", channel=work.contact.channel, reason=error.detail)
                return
            await asyncio.sleep(_TYPING_SECONDS)


def _called(media: MediaRef) -> str:
    name = {"image": "a picture", "audio": "a voice message", "video": "a video", "document": "a file"}[
        media.kind
    ]
    return f"{name} ({media.filename})" if media.filename else name


def _part(media: MediaRef, fetched: Fetched) -> Part:
    data = b64encode(fetched.data).decode("ascii")
    address = f"data:{fetched.mime};base64,{data}"
    match media.kind:
        case "image":
            return ImagePart(address)
        case "video":
            return VideoPart(address)
        case "audio":
            return AudioPart(data, fetched.mime.partition("/")[2].partition(";")[0] or "ogg")
        case "document":
            return FilePart(address, fetched.filename or media.filename)


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with texts that follow each other as one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, TextPart) and isinstance(last, TextPart):
            joined[-1] = TextPart(f"{last.text}\n{part.text}")
        else:
            joined.append(part)
    return tuple(joined)
