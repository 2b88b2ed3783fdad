"""Tools as servers last listed them, and which servers are left alone because they did not answer."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dragoman.domain.tools.servers.model import ListedTool
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError
from dragoman.kit.tasks import TaskOwner

Fetch = Callable[[], Awaitable[tuple[ListedTool, ...]]]

_REMEMBERED = 5000
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 30.0, 300.0
# A server that is slow rather than dead gets to answer after nobody waits for it any more.
_PATIENCE = 5


@dataclass(slots=True)
class _Entry:
    tools: tuple[ListedTool, ...] | None = None
    listed_at: float = 0.0
    task: asyncio.Task[None] | None = None
    begun_at: float = 0.0
    failures: int = 0
    rests_until: float = 0.0
    problem: DragomanError | None = None


class ToolLists:
    """Lists by server.

    Nobody waits longer than ``wait_seconds`` for a list. A server that did not answer is no longer waited for: it is asked
    again behind the scenes, ever more seldom, and is back as soon as it answers.
    """

    def __init__(
        self, tasks: TaskOwner, *, wait_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks = tasks
        self._wait_seconds = wait_seconds
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def get(
        self, key: str, fetch: Fetch, *, fresh_seconds: float, anew: bool = False
    ) -> tuple[ListedTool, ...]:
        """The server's tools.

        Raises:
            DragomanError: it did not list them, now or a moment ago.
        """
        entry = self._entry(key)
        now = self._monotonic()
        if not anew:
            if entry.tools is not None and now < entry.listed_at + fresh_seconds:
                return entry.tools
            if entry.problem is not None:
                if entry.task is None and now >= entry.rests_until:
                    self._ask(entry, fetch)
                raise entry.problem
        if entry.task is None:
            self._ask(entry, fetch)
        assert entry.task is not None
        begun = now if anew else entry.begun_at
        await asyncio.wait({entry.task}, timeout=max(0.0, begun + self._wait_seconds - now))
        if entry.task is not None and entry.problem is None:
            self._rest(entry, DeadlineExceeded(f"It did not answer within {self._wait_seconds:g} seconds."))
        if entry.problem is None and entry.tools is None:
            # What went wrong was not foreseen, and is in the log.
            self._rest(entry, ProviderError("Its tools could not be listed.", code="mcp_unlisted"))
        if entry.problem is not None:
            raise entry.problem
        return entry.tools or ()

    def failed(self, key: str, error: DragomanError) -> None:
        """Notes that a server could not be reached for a call: it rests."""
        self._rest(self._entry(key), error)

    def resting(self, key: str) -> DragomanError | None:
        """Why a server is left alone at this moment; None when it is not."""
        entry = self._entries.get(key)
        if entry is None or self._monotonic() >= entry.rests_until:
            return None
        return entry.problem

    def forget(self, key: str) -> None:
        """Has a list made anew when it is next wanted."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.tools = None

    def _entry(self, key: str) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)
        return entry

    def _ask(self, entry: _Entry, fetch: Fetch) -> None:
        entry.begun_at = self._monotonic()
        entry.task = self._tasks.start(self._fetched(entry, fetch), name="mcp.tools")

    async def _fetched(self, entry: _Entry, fetch: Fetch) -> None:
        try:
            async with asyncio.timeout(_PATIENCE * self._wait_seconds):
                tools = await fetch()
        except DragomanError as error:
            self._rest(entry, error)
        except TimeoutError:
            self._rest(entry, DeadlineExceeded("It did not answer in time."))
        else:
            entry.tools, entry.listed_at = tools, self._monotonic()
            entry.failures, entry.problem, entry.rests_until = 0, None, 0.0
        finally:
            entry.task = None

    def _rest(self, entry: _Entry, problem: DragomanError) -> None:
        entry.tools, entry.problem = None, problem
        rest = min(_FIRST_REST_SECONDS * 2**entry.failures, _LONGEST_REST_SECONDS)
        entry.failures = min(entry.failures + 1, 10)
        entry.rests_until = self._monotonic() + rest
