"""A conversation by voice that is kept in a chat session: said, answered and remembered there like what is written."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing

import structlog

from dragoman.domain.chat.service import ChatService, Prompt
from dragoman.domain.chat.turn import Turn
from dragoman.domain.chat.words import words_in
from dragoman.domain.messages.events import CitationsFound, Event, TextDelta, ToolRun
from dragoman.domain.messages.parts import TextPart
from dragoman.domain.voice.calls import Ways
from dragoman.domain.voice.mind import SessionMind, shown_citation
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.ports import Heard, Output, Thought, Told
from dragoman.domain.voice.spec import VoiceSecrets
from dragoman.kit.errors import Conflict, DragomanError
from dragoman.kit.origin import asked_from, origin_address
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_DIALECT = "web"
_LOOK_SECONDS = 15.0
_SPOKEN = (
    "The user speaks with you on the telephone. Answer in a few short sentences as one says them, without lists, tables or marks "
    "of layout; keep the numbers of references."
)


class ChatMind:
    """Hears and speaks as the call does, and asks the chat session behind it.

    Args:
        mind: of the call.
        access_key: of the session.
        start: runs something in the background.
    """

    def __init__(
        self,
        mind: SessionMind,
        chat: ChatService,
        access_key: str,
        start: Callable[..., object],
    ) -> None:
        self._mind, self._chat, self._key, self._start = mind, chat, access_key, start
        self._turn: Turn | None = None
        self._address = origin_address()

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        """The answer, which the session keeps."""
        turn = self._turn = await self._asked(messages[-1]["text"] if messages else "")
        done = False
        try:
            async with aclosing(_events(turn)) as events:
                async for event in events:
                    if (thought := _thought(event)) is not None:
                        yield thought
            reply = await turn.reply()
            done = True
            if reply.held:
                live = await self._chat.find(self._key)
                yield Thought(words_in(live.client.draft.spec.language, None)["heldLabel"])
        finally:
            if not done:
                turn.cancel()

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        """The transcript."""
        return await self._mind.hear(sound, final=final)

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """The speech."""
        return self._mind.speak(text)

    async def warm(self) -> None:
        """Makes the first turn as quick as the others."""
        await self._mind.warm()

    def note(self, output: Output) -> None:
        """Has the session keep of an answer that was cut off what was heard of it."""
        if not isinstance(output, Told) or output.event.get("type") != "agent_said":
            return
        turn, self._turn = self._turn, None
        if turn is not None and output.event.get("interrupted"):
            self._start(self._cut(turn, str(output.event.get("text") or "")), name="voice.cut")

    async def _asked(self, text: str) -> Turn:
        """The turn that answers; one that is still under way was cut off by the question."""
        with asked_from({"client": (self._address, 0)}):
            prompt = Prompt((TextPart(text),), _DIALECT, streamed=True, manner=_SPOKEN)
            try:
                return await self._chat.ask(self._key, prompt)
            except Conflict:
                await self._chat.cancel(self._key)
            return await self._chat.ask(self._key, prompt)

    async def _cut(self, turn: Turn, heard: str) -> None:
        try:
            reply = await turn.reply()
            if reply.message_id is not None:
                await self._chat.cut_short(self._key, reply.message_id, heard)
        except DragomanError as error:
            log.info("voice.not_cut", reason=error.detail)


def chat_ways(chat: ChatService, tasks: TaskOwner) -> Callable[[VoiceSession, VoiceSecrets], Ways]:
    """How calls are held: those out of a chat session in it, all others by themselves."""

    def ways(session: VoiceSession, secrets: VoiceSecrets) -> Ways:
        if secrets.chat is None:
            return Ways()
        access_key, minds = secrets.chat, list[ChatMind]()

        def wrapped(mind: SessionMind) -> ChatMind:
            minds.append(ChatMind(mind, chat, access_key, tasks.start))
            return minds[-1]

        def note(output: Output) -> None:
            for mind in minds:
                mind.note(output)

        return Ways(wrap=wrapped, note=note)

    return ways


async def _events(turn: Turn) -> AsyncGenerator[Event]:
    async for told in turn.events(idle_seconds=_LOOK_SECONDS):
        if told is not None:
            yield told[1]


def _thought(event: Event) -> Thought | None:
    match event:
        case TextDelta(text):
            return Thought(text)
        case CitationsFound(citations) if citations:
            return Thought(citations=tuple(shown_citation(citation) for citation in citations))
        case ToolRun():
            return Thought(tool={"name": event.name, "state": event.state})
        case _:
            return None
