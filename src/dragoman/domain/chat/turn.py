"""One answer under way: made in a task of its own, stopped on demand, kept before anybody is told that it is whole."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog

from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta, Usage
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.kit.errors import DragomanError, Unavailable
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, or with ``cancelled`` what there was of it; ``message_id`` is None when nothing was kept.

    ``held``: the agent says nothing, because a person answers.
    """

    answer: Answer
    cancelled: bool
    message_id: str | None = None
    held: bool = False


# Stores a reply, or that there is none because of the error; gives the reply with its message's id.
Keep = Callable[[Reply | None, Exception | None], Awaitable[Reply | None]]


class Turn:
    """One answer under way.

    Args:
        answer: makes the events; called once.
        keep: stores the ending; called once, after a failure as well.
        prompt_characters: the length of what is answered, to estimate tokens from when the answer is stopped.
        streamed: whether somebody reads ``events``; nothing is kept for nobody.
    """

    def __init__(
        self,
        answer: Callable[[], AsyncGenerator[Event]],
        keep: Keep,
        *,
        prompt_characters: int,
        streamed: bool,
    ) -> None:
        self._answer = answer
        self._keep = keep
        self._prompt_characters = prompt_characters
        self._told: list[Event] | None = [] if streamed else None
        self._news = asyncio.Event()
        self._folder = Folder()
        self._written = 0
        self._finished = False
        self._task: asyncio.Task[None] | None = None
        self._making = False
        self._stop = False
        self._ended = asyncio.Event()
        self._reply: Reply | None = None
        self._error: Exception | None = None

    @classmethod
    def held(cls) -> "Turn":
        """The turn of an agent that keeps quiet; it has ended."""

        async def nothing() -> AsyncGenerator[Event]:
            return
            yield

        async def kept(reply: Reply | None, error: Exception | None) -> Reply | None:
            return reply

        turn = cls(nothing, kept, prompt_characters=0, streamed=True)
        turn._folder.add(Finished("stop", Usage(0, 0), ""))
        turn._reply = Reply(turn._folder.answer(), cancelled=False, held=True)
        turn._ended.set()
        return turn

    def begin(self, tasks: TaskOwner) -> None:
        """Starts making the answer; once only."""
        self._task = tasks.start(self._run(), name="chat.turn")
        self._task.add_done_callback(self._over)

    def cancel(self) -> None:
        """Stops the answer where it is; one that is already whole stays whole."""
        self._stop = True
        if self._making and self._task is not None:
            self._task.cancel()

    async def ended_within(self, seconds: float) -> bool:
        """Whether the ending is stored, waiting so long for it at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        return self._ended.is_set()

    async def reply(self) -> Reply:
        """The answer once it is stored.

        Raises:
            DragomanError: it failed.
        """
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        if self._reply is None:
            raise Unavailable("The server is shutting down.")
        return self._reply

    async def events(self, *, idle_seconds: float, after: int = 0) -> AsyncIterator[tuple[int, Event] | None]:
        """The events with their numbers from 1, those after the given one as they come, and None whenever nothing came for so long.

        Any number of readers may follow, and come back. ``Finished`` is not among the events: the end is what ``reply`` gives,
        once it is stored.
        """
        assert self._told is not None
        place = after
        while True:
            news = self._news
            while place < len(self._told):
                place += 1
                yield place, self._told[place - 1]
            if self._ended.is_set():
                return
            try:
                async with asyncio.timeout(idle_seconds):
                    await news.wait()
            except TimeoutError:
                yield None

    @property
    def ended(self) -> bool:
        """Whether the ending is stored."""
        return self._ended.is_set()

    @property
    def streamed(self) -> bool:
        """Whether the events can be followed."""
        return self._told is not None

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        """Wakes everybody who follows."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _run(self) -> None:
        try:
            self._making = True
            if not self._stop:
                await self._make()
        except asyncio.CancelledError:
            log.info("chat.turn_cancelled", asked=self._stop)
        except DragomanError as error:
            self._error = error
        except Exception as error:
            log.exception("chat.turn_crashed")
            self._error = error
        finally:
            self._making = False
        try:
            self._reply = await self._keep(None if self._error else self._whole_or_partial(), self._error)
        except DragomanError as error:
            self._error = self._error or error
        except Exception as error:
            log.exception("chat.turn_not_kept")
            self._error = self._error or error

    async def _make(self) -> None:
        async with aclosing(self._answer()) as events:
            async for event in events:
                self._folder.add(event)
                match event:
                    case Finished():
                        self._finished = True
                        return
                    case TextDelta(text) | ReasoningDelta(text):
                        self._written += len(text)
                    case _:
                        pass
                if self._told is not None:
                    self._told.append(event)
                    self._tell()

    def _whole_or_partial(self) -> Reply:
        if not self._finished:
            usage = Usage(
                -(-self._prompt_characters // _CHARACTERS_PER_TOKEN),
                -(-self._written // _CHARACTERS_PER_TOKEN),
                estimated=True,
            )
            self._folder.add(Finished("stop", usage, ""))
        return Reply(self._folder.answer(), not self._finished)
