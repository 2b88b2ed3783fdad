"""Sends what waits for a contact: piece after piece, again with growing pauses, until it is sent or given up."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import TypeAlias

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import RunLater
from dragoman.domain.chat.brief import Speaker, SpokenBrief
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.media import OwnFile, at_hand
from dragoman.domain.chat.channels.model import Contact, Place, Sending
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import Outgoing
from dragoman.domain.inference.speech.aloud import spoken
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.labels.handling import with_handling
from dragoman.domain.labels.service import LabelsService
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, ProviderError
from dragoman.kit.jsontypes import JsonObject

# Takes the cause of a piece, and the reason when it was given up.
Settled: TypeAlias = Callable[[Connection, str, str | None], None]

log = structlog.get_logger(__name__)

# How long a piece that was on its way when the process died waits for the service to tell that it has it.
_UNSURE_MS = 10_000
_FIRST_PAUSE_MS = 2000
_LONGEST_PAUSE_MS = 300_000


class ContactSending:
    """The handler of sending jobs.

    Args:
        most_attempts: after so many failures a piece is given up and kept as a dead letter.
        settled: told of every piece that is sent or given up, in the transaction that notes it.
        speech: speaks pieces that are to be spoken; what cannot be spoken, or may not, is sent as text.
        labels: knows which conversations bear labels.
        own: gives the files at addresses of this server.
        brief: shortens what is to be spoken, for clients that want so.
        told: is given the channel and ``sent``, ``retried`` or ``dead``.
    """

    def __init__(
        self,
        database: Database,
        places: Places,
        *,
        most_attempts: int,
        settled: Settled | None = None,
        speech: SpeechService | None = None,
        labels: LabelsService | None = None,
        own: OwnFile | None = None,
        brief: SpokenBrief | None = None,
        told: Callable[[str, str], None] | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._told = told or _untold
        self._database = database
        self._places = places
        self._most_attempts = most_attempts
        self._settled = settled
        self._speech = speech
        self._labels = labels
        self._own = own or _nothing
        self._brief = brief
        self._clock_ms = clock_ms
        self._started_at = clock_ms()

    async def handle(self, payload: JsonObject) -> None:
        """Sends everything that waits for the contact, in its order.

        Raises:
            RunLater: the service failed and is tried again later.
        """
        key = payload["contact"]
        assert isinstance(key, int)
        while True:
            found = await self._database.read(self._next, key)
            if found is None:
                return
            contact, place, piece = found
            if piece.state == "sending" and piece.tried_at is not None:
                # Counted from our start: until then nobody was there to be told.
                sure_at = max(piece.tried_at, self._started_at) + _UNSURE_MS
                if sure_at > self._clock_ms():
                    raise RunLater(sure_at)
            if place is None:
                await self._give_up(piece, "The integration is not configured any more.")
                self._told(contact.channel, "dead")
                continue
            await self._send(contact, place, piece)

    def _next(self, connection: Connection, key: int) -> tuple[Contact, Place | None, Sending] | None:
        contact = repository.contact(connection, key)
        piece = None if contact is None else repository.next_out(connection, key)
        if contact is None or piece is None:
            return None
        return contact, self._places.load(connection, contact.client_id, contact.channel), piece

    async def _send(self, contact: Contact, place: Place, piece: Sending) -> None:
        if contact.simulated:
            sent = {"state": "sent", "sent_at": self._clock_ms()}
            await self._database.write(self._settle, piece, sent, None)
            return
        attempts = piece.attempts + 1
        begun = {"state": "sending", "attempts": attempts, "tried_at": self._clock_ms()}
        await self._database.write(repository.change_out, piece.key, begun)
        audio = await self._sound(contact, place, piece)
        media = None if piece.media is None else await at_hand(piece.media, self._own)
        outgoing = Outgoing(piece.text, audio, piece.mime, media, piece.markdown)
        try:
            message_id = await self._pass_on(contact, place, outgoing)
        except DragomanError as error:
            log.warning("channel.send_failed", channel=contact.channel, attempt=attempts, reason=error.detail)
            if not _may_pass(error) or attempts >= self._most_attempts:
                await self._give_up(piece, error.detail)
                self._told(contact.channel, "dead")
                return
            waiting = {"state": "queued", "error": error.detail}
            await self._database.write(repository.change_out, piece.key, waiting)
            self._told(contact.channel, "retried")
            raise RunLater(self._clock_ms() + _pause_ms(attempts, error)) from error
        sent = {"state": "sent", "message_id": message_id, "sent_at": self._clock_ms(), "error": None}
        if piece.text:
            # The sound of a text was kept only for further attempts.
            sent["audio"] = None
        await self._database.write(self._settle, piece, sent, None)
        self._told(contact.channel, "sent")

    async def _pass_on(self, contact: Contact, place: Place, piece: Outgoing) -> str | None:
        """Gives a piece to the service, and its address where the service does not take the file itself."""
        adapter = self._places.adapter(contact.channel)
        try:
            return await adapter.send(place.integration, contact.address, piece)
        except ProviderError as error:
            if piece.media is None or _may_pass(error) or not piece.media.reference.startswith("http"):
                raise
            log.warning("channel.media_refused", channel=contact.channel, reason=error.detail)
            return await adapter.send(place.integration, contact.address, Outgoing(piece.media.reference))

    async def _sound(self, contact: Contact, place: Place, piece: Sending) -> bytes | None:
        """The piece as sound where it is one, or is to be spoken and can be; that is done once for all attempts."""
        if piece.audio is not None:
            return b64decode(piece.audio)
        if piece.mime is None or self._speech is None:
            return None
        sound = await self._allowed(self._speech, place, contact, piece.text)
        if sound is not None:
            kept = {"audio": b64encode(sound).decode("ascii")}
            await self._database.write(repository.change_out, piece.key, kept)
        return sound

    async def _allowed(
        self, speech: SpeechService, place: Place, contact: Contact, text: str
    ) -> bytes | None:
        """The text as sound, under the labels that the conversation bears."""
        if self._labels is None or contact.session_id is None:
            return await self._spoken(speech, place, contact, text)
        with with_handling(self._labels.handling()):
            await self._labels.resume(place.owner, contact.session_id)
            return await self._spoken(speech, place, contact, text)

    async def _spoken(self, speech: SpeechService, place: Place, contact: Contact, text: str) -> bytes | None:
        spec = place.client.draft.spec
        if self._brief is not None:
            speaker = Speaker(place.owner, place.client, contact.session_id, contact.tag)
            text = await self._brief.of(speaker, text)
        for voice in dict.fromkeys((spec.speech.voice, None)):
            request = SpeechRequest(
                spoken(text), voice=voice, language=spec.language, instructions=spec.speech.instruction
            )
            try:
                return b"".join([sound async for sound in speech.speak(request, form="opus")])
            except DragomanError as error:
                # Another voice, or the text itself, says the same.
                log.warning("channel.not_spoken", voice=voice, reason=error.detail)
        return None

    async def _give_up(self, piece: Sending, reason: str) -> None:
        log.error("channel.dead_letter", message=piece.id, reason=reason)
        await self._database.write(self._settle, piece, {"state": "dead", "error": reason}, reason)

    def _settle(
        self, connection: Connection, piece: Sending, values: Mapping[str, object], error: str | None
    ) -> None:
        repository.change_out(connection, piece.key, values)
        if self._settled is not None and piece.cause is not None:
            self._settled(connection, piece.cause, error)


def _may_pass(error: DragomanError) -> bool:
    if isinstance(error, ProviderError):
        return error.retryable
    return error.status >= 500 or error.retry_after_seconds is not None


def _pause_ms(attempts: int, error: DragomanError) -> int:
    asked = int(1000 * (error.retry_after_seconds or 0))
    return max(asked, min(_FIRST_PAUSE_MS * 2 ** (attempts - 1), _LONGEST_PAUSE_MS))


async def _nothing(url: str) -> bytes | None:
    return None


def _untold(channel: str, outcome: str) -> None:
    pass
