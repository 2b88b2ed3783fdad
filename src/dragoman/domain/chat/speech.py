"""Answers read aloud, for whoever has the session's access key."""

import re
from collections import OrderedDict
from collections.abc import Callable

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.brief import Speaker, SpokenBrief
from dragoman.domain.chat.model import LiveSession
from dragoman.domain.chat.repository import messages
from dragoman.domain.chat.service import ChatService
from dragoman.domain.chat.spec import ChatClientSpec
from dragoman.domain.inference.speech.aloud import spoken
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound, QuotaExceeded
from dragoman.kit.gcra import RateLimit

log = structlog.get_logger(__name__)

_ID = re.compile("[0-9a-f-]{36}")
_LONGEST = 4000
_KEPT_BYTES = 32 * 1024 * 1024
_CHARACTERS_PER_TOKEN = 4


class AnswerSpeech:
    """Speaks answers of chats whose client has a voice. What was spoken lately is not made again.

    Args:
        brief: shortens long answers for clients that want so.
        asked: how often new speech may be asked for in one session.
    """

    def __init__(
        self,
        database: Database,
        chat: ChatService,
        speech: SpeechService,
        meter: Meter,
        labels: LabelsService,
        brief: SpokenBrief,
        *,
        asked: RateLimit,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._chat = chat
        self._speech = speech
        self._meter = meter
        self._labels = labels
        self._brief = brief
        self._asked = asked
        self._clock_ms = clock_ms
        self._made: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0

    async def speak(self, access_key: str, message_id: str) -> bytes:
        """The answer as MP3.

        Raises:
            ChatUnavailable: the session is none that can be talked in.
            NotFound: the chat does not speak, or the session has no such answer with something to say.
            QuotaExceeded: too much was asked for.
            Unavailable: nothing here can speak.
            Forbidden: the conversation bears a label that forbids who speaks.
        """
        live = await self._chat.find(access_key)
        spec = live.client.draft.spec
        if spec.speech.source == "none":
            raise NotFound("This chat does not speak.", code="speech_off")
        await self._labels.resume(live.owner, live.session.id)
        text = await self._text(live, message_id)
        key = (message_id, spec.speech.model_dump_json())
        made = self._made.get(key)
        if made is not None:
            self._made.move_to_end(key)
            return made
        wait = self._asked.wait_seconds(live.session.id)
        if wait:
            raise QuotaExceeded(
                "Too many answers were to be spoken; please wait a moment.",
                code="too_much_speech",
                retry_after_seconds=wait,
            )
        person = live.session.external_user_id
        speaker = Speaker(live.owner, live.client, live.session.id, person)
        made = await self._spoken(live, _cut(spoken(await self._brief.of(speaker, text))))
        self._keep(key, made)
        return made

    async def _text(self, live: LiveSession, message_id: str) -> str:
        def load(connection: Connection) -> str:
            message = messages.by_id(connection, live.session.key, message_id)
            return message.text if message is not None and message.role == "assistant" else ""

        written = await self._database.read(load) if _ID.fullmatch(message_id) else ""
        text = spoken(written)
        if not text:
            raise NotFound("There is no such answer to be spoken.", code="answer_not_found")
        return text

    async def _spoken(self, live: LiveSession, text: str) -> bytes:
        usage = Usage(prompt_tokens=-(-len(text) // _CHARACTERS_PER_TOKEN), estimated=True)
        context = UsageContext(
            caller=live.owner,
            dialect="chat",
            kind="speech",
            started_at=self._clock_ms(),
            application=f"chat:{live.session.client_id}",
            end_user=live.session.external_user_id,
            counts=False,
        )
        spec = live.client.draft.spec
        model = self._speech.synthesizer(language=spec.language).name
        async with self._meter.reserved(context, model=model, usage=usage) as hold:
            sound = await self._sound(spec, text)
            self._meter.record(context, model=model, usage=usage, status=200, hold=hold)
        return sound

    async def _sound(self, spec: ChatClientSpec, text: str) -> bytes:
        request = SpeechRequest(
            text, voice=spec.speech.voice, language=spec.language, instructions=spec.speech.instruction
        )
        try:
            return b"".join([piece async for piece in self._speech.speak(request, form="mp3")])
        except InvalidInput as error:
            if request.voice is None:
                raise
            # A voice of another engine: the one here says the same.
            log.warning("chat.voice_unknown", voice=request.voice, reason=error.detail)
        usual = SpeechRequest(text, language=spec.language, instructions=spec.speech.instruction)
        return b"".join([piece async for piece in self._speech.speak(usual, form="mp3")])

    def _keep(self, key: tuple[str, str], made: bytes) -> None:
        if key not in self._made:
            self._made[key] = made
            self._size += len(made)
        while self._size > _KEPT_BYTES:
            self._size -= len(self._made.popitem(last=False)[1])


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST].rpartition(" ")[0] + " …"
