"""Conversations under way: who is in which room, how many there may be, and when one is over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import structlog

from dragoman.domain.voice.mind import MindParts, SessionMind
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.ports import CallSetup, Ended, EngineCall, Mind, Output, Told, VoiceEngine
from dragoman.domain.voice.sessions import VoiceSessionsService
from dragoman.domain.voice.spec import VoiceSecrets
from dragoman.kit.errors import Conflict, DragomanError, QuotaExceeded
from dragoman.kit.jsontypes import JsonValue
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_WAITING = 500
_BUSY_SECONDS = 30.0
_STAGES = ("vad", "stt", "eou_delay", "llm_ttft", "tts_ttfb", "e2e")
_REASONS = frozenset({"left", "stopped", "silence", "time_limit", "slow_client", "unavailable", "failed"})
_ACTIVE = ("speech_started", "agent_text", "transcript", "agent_said")


@dataclass(frozen=True, slots=True)
class CallBounds:
    """How many conversations, how long each, how long one may be silent and an answer may take, in seconds."""

    calls: int
    seconds: float
    silence: float
    patience: float = 30.0


@dataclass(frozen=True, slots=True)
class Ways:
    """How a conversation is held for somebody who keeps the thread of it.

    ``wrap`` goes around the agent's mind. ``take`` is told at once, instead of ``outputs``; ``note`` beside them.
    """

    wrap: Callable[[SessionMind], Mind] = lambda mind: mind
    take: Callable[[Output], None] | None = None
    note: Callable[[Output], None] = lambda output: None


class CallsCounted(Protocol):
    """Who is told of conversations and of how long the stages of their turns took."""

    def call_began(self) -> None:
        """One has begun."""
        ...

    def call_ended(self, reason: str) -> None:
        """One is over."""
        ...

    def turn_stage(self, stage: str, seconds: float) -> None:
        """A stage of a turn is over."""
        ...


class LiveCall:
    """One conversation under way. Use it as a context; leaving ends it."""

    def __init__(self, owner: "CallsService", session: VoiceSession, mind: SessionMind, ways: Ways) -> None:
        self.session = session
        self._owner, self._mind, self._ways = owner, mind, ways
        self._outputs: asyncio.Queue[Output] = asyncio.Queue(_WAITING)
        self._engine: EngineCall | None = None
        self._last_active = 0.0
        self._over = False
        self._reason = "left"

    @property
    def mind(self) -> SessionMind:
        """What the agent thinks and hears with."""
        return self._mind

    @property
    def engine(self) -> EngineCall:
        """What takes the person's sound and words."""
        assert self._engine is not None
        return self._engine

    async def begin(
        self, engine: VoiceEngine, setup: CallSetup, bounds: CallBounds, tasks: TaskOwner
    ) -> None:
        """Starts it.

        Raises:
            Unavailable: a part is missing; the message says what to install.
        """
        loop = asyncio.get_running_loop()
        self._last_active = loop.time()
        setup = replace(setup, patience=bounds.patience)
        self._engine = await engine.open(self._mind.spec, setup, self._ways.wrap(self._mind), self._take)
        self._watch = tasks.start(self._watched(bounds, loop.time()), name="voice.watch")
        self._warming = tasks.start(self._warm(), name="voice.warm")
        if self._owner.counted is not None:
            self._owner.counted.call_began()

    async def outputs(self) -> AsyncIterator[Output]:
        """What comes from the agent, until the end, which is the last."""
        while True:
            output = await self._outputs.get()
            yield output
            if isinstance(output, Ended):
                return

    def tell(self, event: Mapping[str, JsonValue]) -> None:
        """Tells the client of something."""
        self._take(Told(event))

    def end(self, reason: str, message: str | None = None) -> None:
        """Ends it from outside."""
        self._take(Ended(reason, message))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._engine is not None:
            self._watch.cancel()
            self._warming.cancel()
            self._engine.close()
            await asyncio.to_thread(self._mind.account)
            if self._owner.counted is not None:
                self._owner.counted.call_ended(self._reason if self._reason in _REASONS else "other")
        self._owner.forget(self)

    def _take(self, output: Output) -> None:
        if self._over:
            return
        if isinstance(output, Told) and output.event.get("type") in _ACTIVE:
            self._last_active = asyncio.get_running_loop().time()
        self._ways.note(output)
        self._count(output)
        if self._ways.take is not None:
            self._over = isinstance(output, Ended)
            self._ways.take(output)
            return
        if self._outputs.full():
            # Whoever does not read for ten seconds is not there any more.
            self._over, self._reason = True, "slow_client"
            while not self._outputs.empty():
                self._outputs.get_nowait()
            output = Ended("slow_client", "The client does not take what is sent.")
        self._over = self._over or isinstance(output, Ended)
        self._outputs.put_nowait(output)

    def _count(self, output: Output) -> None:
        counted = self._owner.counted
        if isinstance(output, Ended):
            self._reason = output.reason
        elif counted is not None and isinstance(output, Told) and output.event.get("type") == "metrics":
            for stage in _STAGES:
                seconds = output.event.get(stage)
                if isinstance(seconds, int | float):
                    counted.turn_stage(stage, seconds)

    async def _warm(self) -> None:
        try:
            await self._mind.warm()
        except DragomanError as error:
            self._take(Told({"type": "error", "code": error.code, "message": error.detail}))
            self.end("unavailable", error.detail)

    async def _watched(self, bounds: CallBounds, begun: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            if now - begun >= bounds.seconds:
                return self.end("time_limit", "The conversation has reached its longest time.")
            if now - self._last_active >= bounds.silence:
                return self.end("silence", "Nobody has said anything for a long time.")
            due = min(begun + bounds.seconds, self._last_active + bounds.silence)
            await asyncio.sleep(max(0.05, due - now))


class CallsService:
    """Holds the conversations of this process.

    Args:
        sessions: finds who may talk.
        engine: takes turns.
        parts: what agents are made of.
        bounds: how many, how long.
        tasks: owner of what watches them.
        ways: how the conversation of a session is held where its client does not say.
        counted: told of them, where somebody counts.
    """

    def __init__(
        self,
        sessions: VoiceSessionsService,
        engine: VoiceEngine,
        parts: MindParts,
        bounds: CallBounds,
        tasks: TaskOwner,
        ways: Callable[[VoiceSession, VoiceSecrets], Ways] = lambda session, secrets: Ways(),
        counted: CallsCounted | None = None,
    ) -> None:
        self.counted = counted
        self._ways = ways
        self._sessions, self._engine, self._parts = sessions, engine, parts
        self._bounds, self._tasks = bounds, tasks
        self._live: dict[str, LiveCall] = {}
        self._warming: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._live)

    def expect(self) -> None:
        """Somebody has been given a token: the engine gets ready meanwhile."""
        if not self._live and (self._warming is None or self._warming.done()):
            self._warming = self._tasks.start(self._warm(), name="voice.warm_engine")

    async def _warm(self) -> None:
        try:
            await self._engine.warm()
        except DragomanError as error:
            # Whoever joins is told.
            log.info("voice.engine_unavailable", reason=error.detail)

    async def join(self, token: str, setup: CallSetup, *, dialect: str) -> LiveCall:
        """The conversation that a token lets in to.

        Raises:
            Unauthenticated: the token does not hold.
            Conflict: somebody talks in that room already.
            QuotaExceeded: there are too many conversations.
            Unavailable: a part is missing; the message says what to install.
        """
        return await self.hold(await self._sessions.of_token(token), setup, dialect=dialect)

    def mind(self, session: VoiceSession, *, dialect: str) -> SessionMind:
        """A mind without a conversation, for who only writes."""
        return SessionMind(session, self._sessions.secrets(session), self._parts, dialect)

    async def hold(
        self, session: VoiceSession, setup: CallSetup, *, dialect: str, ways: Ways | None = None
    ) -> LiveCall:
        """A conversation of a session; raises as ``join``."""
        if session.room in self._live:
            raise Conflict("Somebody talks in this room already.", code="room_in_use")
        if len(self._live) >= self._bounds.calls:
            raise QuotaExceeded(
                "There are too many conversations now; try again later.", retry_after_seconds=_BUSY_SECONDS
            )
        secrets = self._sessions.secrets(session)
        mind = SessionMind(session, secrets, self._parts, dialect)
        call = LiveCall(self, session, mind, ways or self._ways(session, secrets))
        self._live[session.room] = call
        try:
            await call.begin(self._engine, setup, self._bounds, self._tasks)
        except BaseException:
            self.forget(call)
            raise
        log.info("voice.call_began", room=session.room, agent=session.spec.agent_id)
        return call

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> None:
        """Runs something that belongs to a conversation in the background."""
        self._tasks.start(work, name=name)

    def forget(self, call: LiveCall) -> None:
        """The conversation is over."""
        if self._live.get(call.session.room) is call:
            del self._live[call.session.room]
