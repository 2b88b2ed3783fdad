"""Talking in a session: whoever has its access key reads, asks, stops and asks again."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import AgentRunner, RunRequest
from dragoman.domain.chat.content import write_citations
from dragoman.domain.chat.context import ContextReader
from dragoman.domain.chat.errors import ChatUnavailable, unavailable
from dragoman.domain.chat.following.service import RemoteTurn, TurnTeller
from dragoman.domain.chat.limits import VisitorLimits
from dragoman.domain.chat.model import ChatMessage, LiveSession
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.repository import messages, sessions
from dragoman.domain.chat.turn import Reply, Turn
from dragoman.domain.chat.uploads import attached
from dragoman.domain.chat.uploads import repository as uploads
from dragoman.domain.chat.uploads.links import UploadLinks
from dragoman.domain.chat.watching import TurnWatch
from dragoman.domain.inference.multimodal import MediaKind
from dragoman.domain.messages.events import Event
from dragoman.domain.messages.parts import Message, Part, TextPart
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import Conflict, InvalidInput, NotFound, QuotaExceeded
from dragoman.kit.ids import uuid7
from dragoman.kit.origin import origin_address
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_HOUR_MS = 3_600_000
_EXTENDED_MS = 30 * 60_000
_HELD_MS = 20_000
_LOOK_SECONDS = 0.5
_STOPPED_WITHIN_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked in a session; without ``parts`` the last thing the user said is answered (again).

    ``instruction`` lets the agent speak by itself: the model is told so much, and nobody sees it in the session.
    ``manner``: how the answer should be given; it goes to the agent's instructions.
    ``origin`` is where the conversation takes place; ``dialect`` is noted with what the answer used.
    ``public``: anybody may talk there.
    ``media_to_text`` names kinds of media that become text for the model here, beside those of the agent.
    ``on_asked`` and ``on_answered`` are called in the transactions that store the question and the answer, so that what
    belongs to them is stored together with them or not at all.
    """

    parts: tuple[Part, ...] | None
    dialect: str
    streamed: bool = False
    instruction: str | None = None
    manner: str | None = None
    origin: str = "chat"
    public: bool = False
    media_to_text: tuple[MediaKind, ...] = ()
    on_asked: Callable[[Connection], None] | None = None
    on_answered: Callable[[Connection, Reply], None] | None = None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A turn that the session holds: what was said so far, and the question stored for it."""

    live: LiveSession
    turn_id: str
    said: list[ChatMessage]
    question: int | None
    held: bool = False


class ChatService:
    """What may be done with an access key. Every method refuses a dead session in the same words.

    Args:
        links: makes the addresses of files that a model can only be told of.
        teller: tells other processes of answers under way here; None where there are no others.
    """

    def __init__(
        self,
        *,
        database: Database,
        runner: AgentRunner,
        contexts: ContextReader,
        tasks: TaskOwner,
        news: NewsDesk,
        limits: VisitorLimits,
        links: UploadLinks,
        teller: TurnTeller | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._news = news
        self._limits = limits
        self._links = links
        self._runner = runner
        self._contexts = contexts
        self._tasks = tasks
        self._teller = teller
        self._clock_ms = clock_ms
        self._turns: dict[str, Turn] = {}
        self._watch = TurnWatch(database, tasks, held_ms=_HELD_MS, clock_ms=clock_ms)

    async def find(self, access_key: str) -> LiveSession:
        """The session behind the key.

        Raises:
            ChatUnavailable: unknown or expired, or nobody answers in it.
        """
        return await self._database.read(self._live, text_digest(access_key))

    async def said(self, access_key: str) -> tuple[LiveSession, list[ChatMessage]]:
        """The session and everything said in it, oldest first.

        Raises:
            ChatUnavailable: as ``find``.
        """

        def load(connection: Connection) -> tuple[LiveSession, list[ChatMessage]]:
            live = self._live(connection, text_digest(access_key))
            return live, messages.select(connection, live.session.key)

        return await self._database.read(load)

    async def rewind(self, access_key: str) -> None:
        """Removes what came after the last thing the user said, so that it can be answered again.

        Raises:
            ChatUnavailable: as ``find``.
            InvalidInput: the user said nothing yet.
            Conflict: an answer is under way.
        """

        def change(connection: Connection) -> None:
            live = self._live(connection, text_digest(access_key), lock=True)
            self._refuse_busy(live)
            last = messages.last_of_user(connection, live.session.key)
            if last is None:
                raise InvalidInput("The session does not contain any messages or user messages.")
            messages.delete_after(connection, live.session.key, last)

        await self._database.write(change)

    async def clear(self, access_key: str) -> None:
        """Removes everything that was said.

        Raises:
            ChatUnavailable: as ``find``.
            Conflict: an answer is under way.
        """

        def change(connection: Connection) -> None:
            live = self._live(connection, text_digest(access_key), lock=True)
            self._refuse_busy(live)
            messages.delete_after(connection, live.session.key, 0)
            uploads.delete_all(connection, live.session.key)

        await self._database.write(change)

    async def cancel(self, access_key: str) -> None:
        """Stops the answer under way, wherever it is made, and waits a moment for its end; without one nothing happens.

        Raises:
            ChatUnavailable: as ``find``.
        """
        live = await self.find(access_key)
        turn_id = live.session.turn_id
        if turn_id is None:
            return
        turn = self._turns.get(turn_id)
        if turn is not None:
            turn.cancel()
            await turn.ended_within(_STOPPED_WITHIN_SECONDS)
        else:
            await self._database.write(sessions.cancel_turn, live.session.key, self._clock_ms())

    async def cut_short(self, access_key: str, message_id: str, heard: str) -> None:
        """Leaves of an answer that was spoken what was heard of it.

        Raises:
            ChatUnavailable: as ``find``.
        """

        def change(connection: Connection) -> int:
            live = self._live(connection, text_digest(access_key), lock=True)
            messages.cut_short(connection, live.session.key, message_id, heard)
            return live.session.key

        self._news.tell(await self._database.write(change))

    async def ask(self, access_key: str, prompt: Prompt) -> Turn:
        """An answer under way, to be stopped by who asked when nobody waits for it any more.

        The question is stored when this returns. It is taken back when the agent refuses it as it is written. While a person
        answers, the agent says nothing: the turn has ended, and its reply is ``held``.

        Raises:
            ChatUnavailable: as ``find``, or as much was said as may be (``message_limit``); with an instruction, when a person
                answers (``session_held``).
            Conflict: an answer is under way already.
            QuotaExceeded: too many questions within the hour, or from one place.
            InvalidInput: no question, now or before.
        """
        live = await self.find(access_key)
        agent = await self._agent(live)
        begun = await self._database.write(self._begin, text_digest(access_key), prompt)
        self._news.tell(begun.live.session.key)
        if begun.held:
            return Turn.held()
        conversation = tuple(_conversation(begun.said))
        if prompt.instruction is not None:
            conversation = (*conversation, Message.of_text("system", prompt.instruction))

        async def keep(reply: Reply | None, error: Exception | None) -> Reply | None:
            try:
                return await self._database.write(self._end, begun, prompt, reply, error)
            finally:
                self._turns.pop(begun.turn_id, None)
                self._news.tell(begun.live.session.key)

        turn = Turn(
            lambda: self._events(begun, agent, conversation, prompt),
            keep,
            prompt_characters=sum(len(message.text) for message in conversation),
            streamed=prompt.streamed,
        )
        self._turns[begun.turn_id] = turn
        turn.begin(self._tasks)
        self._watch.add(turn, begun.turn_id, begun.live.session.key)
        if self._teller is not None and prompt.streamed:
            self._tasks.start(self._teller.tell(turn, begun.turn_id), name="chat.tell")
        return turn

    async def under_way(self, access_key: str, *, seconds: float) -> Turn | RemoteTurn | None:
        """The answer under way, to be followed, whichever process makes it; None when there is none.

        Where processes do not tell each other, one that another makes is waited for so long.

        Raises:
            ChatUnavailable: as ``find``.
        """
        until = time.monotonic() + seconds
        while True:
            session = (await self.find(access_key)).session
            turn_id = session.turn_id
            turn = None if turn_id is None else self._turns.get(turn_id)
            if turn_id is not None and turn is None and self._teller is not None:
                held = session.turn_until is not None and session.turn_until > self._clock_ms()
                return RemoteTurn(self._database, session.key, turn_id) if held else None
            if turn_id is None or turn is not None or time.monotonic() > until:
                return turn if turn is not None and turn.streamed else None
            await asyncio.sleep(_LOOK_SECONDS)

    async def forget_told(self) -> int:
        """Removes what other processes were told of answers that are long over; gives how much."""
        return 0 if self._teller is None else await self._teller.forget_old()

    async def _agent(self, live: LiveSession) -> ResolvedAgent:
        try:
            return await self._runner.resolve(live.owner, live.agent_id)
        except NotFound as error:
            raise unavailable() from error

    async def _events(
        self, begun: _Begun, agent: ResolvedAgent, conversation: tuple[Message, ...], prompt: Prompt
    ) -> AsyncGenerator[Event]:
        session = begun.live.session
        fetched = None
        if session.context_location is not None:
            fetched = await self._contexts.read(session.context_location)
        given = (agent.spec.system_prompt, session.extra_context, fetched, prompt.manner)
        texts = [text for text in given if text]
        media = _media_to_text(agent, prompt, documents=attached.holds_documents(conversation))
        request = RunRequest(
            conversation=await self._database.read(
                attached.loaded, session.key, conversation, self._links.link
            ),
            system_prompt="\n\n".join(texts) or None,
            user=session.external_user_id,
            metadata=session.metadata,
            media_to_text=media,
            origin=prompt.origin,
            conversation_id=session.id,
            streamed=prompt.streamed,
            refusals="text",
            public=session.visitor or prompt.public,
            dialect=prompt.dialect,
            application=f"chat:{session.client_id}",
        )
        async with aclosing(self._runner.run(begun.live.owner, agent, request)) as events:
            async for event in events:
                yield event

    def _live(self, connection: Connection, digest: str, *, lock: bool = False) -> LiveSession:
        live = sessions.live(connection, digest, self._clock_ms(), lock=lock)
        if live is None:
            raise unavailable()
        return live

    def _refuse_busy(self, live: LiveSession) -> None:
        until = live.session.turn_until
        if live.session.turn_id is not None and until is not None and until > self._clock_ms():
            raise Conflict(
                "An answer is under way in this session.", code="session_busy", retry_after_seconds=1
            )

    def _begin(self, connection: Connection, digest: str, prompt: Prompt) -> _Begun:
        now, turn_id = self._clock_ms(), uuid7()
        live = self._live(connection, digest, lock=True)
        session, held = live.session, live.session.is_held(now)
        if held and prompt.instruction is not None:
            raise ChatUnavailable("A person is answering in this session.", code="session_held")
        if not held:
            self._refuse_busy(live)
        if session.visitor:
            # Before anything is read: who asks too much costs little. What is refused later is not counted.
            self._limits.count(connection, session.client_id, origin_address(), now)
        said = messages.select(connection, session.key)
        _refuse_beyond_limits(connection, live, len(said), now)
        question = None
        if prompt.parts is not None:
            parts = attached.known(connection, session.key, prompt.parts)
            asked = ChatMessage(0, uuid7(), "user", parts, now)
            beside = attached.words(connection, session.key, parts)
            question = messages.insert(connection, session.key, asked, beside=beside)
            said.append(asked)
        elif not held and prompt.instruction is None and (not said or said[-1].role != "user"):
            raise InvalidInput("There is no message to answer.", param="prompt")
        sessions.insert_turn(connection, session.key, turn_id, now, forget=now - _HOUR_MS)
        turn = {"turn_id": turn_id, "turn_until": now + _HELD_MS, "turn_cancelled": False}
        until = max(session.expires_at, now + _EXTENDED_MS)
        changed = {**({} if held else turn), "expires_at": until, "last_message_at": now}
        sessions.change(connection, session.key, changed)
        if prompt.on_asked is not None:
            prompt.on_asked(connection)
        return _Begun(live, turn_id, said, question, held)

    def _end(
        self,
        connection: Connection,
        begun: _Begun,
        prompt: Prompt,
        reply: Reply | None,
        error: Exception | None,
    ) -> Reply | None:
        key, now = begun.live.session.key, self._clock_ms()
        tokens = 0 if reply is None else reply.answer.usage.total_tokens
        if not sessions.end_turn(connection, key, begun.turn_id, tokens=tokens, at=now):
            raise unavailable()
        if reply is None:
            if isinstance(error, InvalidInput) and begun.question is not None:
                messages.delete(connection, key, begun.question)
                sessions.delete_turn(connection, begun.turn_id)
            return None
        message = _answer_message(reply, now)
        if message is not None:
            messages.insert(connection, key, message)
            reply = replace(reply, message_id=message.id)
        if prompt.on_answered is not None:
            prompt.on_answered(connection, reply)
        return reply


def _refuse_beyond_limits(connection: Connection, live: LiveSession, count: int, now: int) -> None:
    limits = live.client.draft
    if limits.most_messages > 0 and count > limits.most_messages:
        raise ChatUnavailable("This chat has as many messages as it may have.", code="message_limit")
    if limits.messages_per_hour > 0:
        asked = sessions.turns_since(connection, live.session.key, now - _HOUR_MS)
        if len(asked) >= limits.messages_per_hour:
            freed = asked[limits.messages_per_hour - 1] + _HOUR_MS
            raise QuotaExceeded(
                "Too many messages within an hour.",
                code="messages_per_hour",
                retry_after_seconds=max(1.0, (freed - now) / 1000),
            )


def _media_to_text(agent: ResolvedAgent, prompt: Prompt, *, documents: bool) -> tuple[MediaKind, ...] | None:
    here = (*prompt.media_to_text, *(attached.READ_HERE if documents else ()))
    return tuple(dict.fromkeys((*agent.spec.media_to_text, *here))) if here else None


def _conversation(said: Sequence[ChatMessage]) -> list[Message]:
    """What the model is given; a call of a tool that nobody answered would be refused, so only texts of answers go along."""
    return [Message(message.role, parts) for message in said if (parts := _goes_along(message))]


def _goes_along(message: ChatMessage) -> tuple[Part, ...]:
    if message.role == "user":
        return message.parts
    # Providers take no pictures in an assistant's turn.
    return tuple(part for part in message.parts if isinstance(part, TextPart))


def _answer_message(reply: Reply, now: int) -> ChatMessage | None:
    answer = reply.answer
    calls = () if reply.cancelled else answer.tool_calls
    if not (answer.text or answer.reasoning or calls or answer.attachments):
        return None
    return ChatMessage(
        0,
        uuid7(),
        "assistant",
        (*((TextPart(answer.text),) if answer.text else ()), *answer.attachments),
        now,
        answer.reasoning or None,
        calls,
        tuple(write_citations(answer.citations)),
        reply.cancelled,
    )
