"""Files that visitors attach to what they ask, kept as long as their session."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.model import ChatMessage, ChatSession, LiveSession
from dragoman.domain.chat.repository import messages
from dragoman.domain.chat.service import ChatService
from dragoman.domain.chat.uploads import attached, repository
from dragoman.domain.chat.uploads.links import UploadLinks
from dragoman.domain.chat.uploads.model import Upload, UploadLimits, clean_name, media_type_of, reference_of
from dragoman.domain.inference.speech.ports import Recording, TranscribeOptions
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, DragomanError, InvalidInput, NotFound, TooLarge, Unsupported
from dragoman.kit.ids import uuid7

log = structlog.get_logger(__name__)

_CHARACTERS_PER_TOKEN = 4
_ID = re.compile("[0-9a-f-]{36}")


class ChatUploads:
    """Takes files in, shows them, and removes those that nobody asked about.

    Args:
        speech: hears recordings; one that it cannot or may not hear is kept without its text.
        labels: knows which conversations bear labels.
    """

    def __init__(
        self,
        database: Database,
        chat: ChatService,
        speech: SpeechService,
        meter: Meter,
        labels: LabelsService,
        limits: UploadLimits,
        links: UploadLinks,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._chat = chat
        self._speech = speech
        self._meter = meter
        self._labels = labels
        self.limits = limits
        self._links = links
        self._clock_ms = clock_ms

    async def put(self, access_key: str, *, name: str, media_type: str, data: bytes) -> Upload:
        """The stored file; of a recording what is said in it, where something here can hear it.

        Raises:
            ChatUnavailable: the session is none that can be talked in.
            InvalidInput: there is nothing in the file.
            Unsupported: a file of a kind that this chat does not take.
            TooLarge: the file, or together with it what the session holds.
        """
        live = await self._chat.find(access_key)
        upload = self._checked(live, clean_name(name), media_type, data)
        await self._database.read(self._refuse_beyond, live.session.key, upload)
        if upload.mode == "audio":
            upload = await self._heard(live, upload, data)

        def store(connection: Connection) -> None:
            self._refuse_beyond(connection, live.session.key, upload)
            repository.insert(connection, live.session.key, upload, data)

        await self._database.write(store)
        return upload

    async def get(self, access_key: str, upload_id: str) -> tuple[Upload, bytes]:
        """A file of the session with its content.

        Raises:
            ChatUnavailable: as ``put``.
            NotFound: the session has no such file.
        """
        live = await self._chat.find(access_key)
        found = None
        if _ID.fullmatch(upload_id):
            found = await self._database.read(repository.content, live.session.key, upload_id)
        if found is None:
            raise _unknown()
        return found

    def link(self, upload: Upload) -> str:
        """Where the file is found by whoever is told of it."""
        return self._links.link(upload)

    async def shared(self, token: str) -> tuple[Upload, bytes]:
        """The file behind a token of ``UploadLinks``, with its content.

        Raises:
            NotFound: the token is for none, or the file is gone.
        """
        upload_id = self._links.upload_id(token)
        found = None if upload_id is None else await self._database.read(repository.shared, upload_id)
        if found is None:
            raise NotFound("There is no file at this address.", code="attachment_not_found")
        return found

    async def named_in(self, session: ChatSession, said: Sequence[ChatMessage]) -> Mapping[str, Upload]:
        """The files of the session that its messages name, by id."""
        return await self._database.read(attached.named_in, session.key, said)

    async def remove(self, access_key: str, upload_id: str) -> None:
        """Removes a file that no question names.

        Raises:
            ChatUnavailable: as ``put``.
            NotFound: the session has no such file.
            Conflict: a question names it.
        """
        live = await self._chat.find(access_key)

        def change(connection: Connection) -> None:
            said = messages.select(connection, live.session.key)
            if any(reference_of(part) == upload_id for message in said for part in message.parts):
                raise Conflict("The attachment was sent already.", code="attachment_sent")
            if not repository.delete(connection, live.session.key, upload_id):
                raise _unknown()

        if not _ID.fullmatch(upload_id):
            raise _unknown()
        await self._database.write(change)

    def _checked(self, live: LiveSession, name: str, declared: str, data: bytes) -> Upload:
        if not data:
            raise InvalidInput("The file is empty.", param="file", code="attachment_empty")
        if len(data) > self.limits.file_bytes:
            raise TooLarge(
                f"A file has at most {self.limits.file_bytes} bytes.",
                param="file",
                code="attachment_too_large",
            )
        upload = Upload(uuid7(), name, media_type_of(name, declared, data), len(data), self._clock_ms())
        spec = live.client.draft.spec
        if upload.mode not in spec.input_modes or not (upload.is_readable or spec.keep_unreadable_files):
            raise Unsupported(
                f"Files of this kind ({upload.media_type}) are not taken here.",
                param="file",
                code="attachment_not_taken",
            )
        return upload

    def _refuse_beyond(self, connection: Connection, session_key: int, upload: Upload) -> None:
        files, size = repository.stored(connection, session_key)
        if files >= self.limits.session_files:
            raise TooLarge(
                f"A conversation has at most {self.limits.session_files} files.",
                param="file",
                code="too_many_attachments",
            )
        if size + upload.size > self.limits.session_bytes:
            raise TooLarge(
                f"The files of a conversation have at most {self.limits.session_bytes} bytes together.",
                param="file",
                code="too_many_attachments",
            )

    async def _heard(self, live: LiveSession, upload: Upload, data: bytes) -> Upload:
        context = UsageContext(
            caller=live.owner,
            dialect="chat",
            kind="transcription",
            started_at=self._clock_ms(),
            application=f"chat:{live.session.client_id}",
            end_user=live.session.external_user_id,
            counts=False,
        )
        recording = Recording(data, f"audio.{upload.media_type.partition('/')[2]}")
        options = TranscribeOptions(language=_spoken_here(live))
        try:
            await self._labels.resume(live.owner, live.session.id)
            model = self._speech.transcriber().name
            # How long a recording is shows when it is heard.
            async with self._meter.reserved(context, model=model, usage=Usage(prompt_tokens=1)) as hold:
                heard = await self._speech.transcribe(recording, options)
                usage = Usage(
                    prompt_tokens=max(1, round(heard.duration_seconds)),
                    completion_tokens=-(-len(heard.text) // _CHARACTERS_PER_TOKEN),
                    estimated=True,
                )
                self._meter.record(context, model=model, usage=usage, status=200, hold=hold)
        except DragomanError as error:
            log.info("chat.recording_not_heard", reason=error.detail)
            return upload
        return replace(upload, text=heard.text.strip())


def _spoken_here(live: LiveSession) -> str | None:
    """The language of the client, where it names one."""
    language = live.client.draft.spec.language
    return language.partition("-")[0].lower() if language else None


def _unknown() -> NotFound:
    return NotFound("There is no such attachment in this session.", code="attachment_not_found")
