"""Open connections to servers, shared by the calls of one conversation and closed when they rest."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dragoman.adapters.tools.mcp.endpoint import Connection, Endpoint, Engine
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError, Unavailable
from dragoman.kit.tasks import TaskOwner

_IDLE_SECONDS = 30.0
_MOST = 256


class Session:
    """A connection with the task that holds it open: the SDK wants it opened and closed by one and the same."""

    def __init__(self, engine: Engine, endpoint: Endpoint, *, idle_seconds: float) -> None:
        self._engine = engine
        self._endpoint = endpoint
        self._idle_seconds = idle_seconds
        self._ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._stirred = asyncio.Event()
        self._closing = False
        self.users = 0
        self.over = False
        self.used = False

    async def hold(self) -> None:
        """Opens the connection, and closes it when nobody has used it for a while."""
        try:
            async with self._engine.connected(self._endpoint) as connection:
                self._ready.set_result(connection)
                await self._rested()
        except DragomanError as error:
            if not self._ready.done():
                self._ready.set_exception(error)
                # Whoever waited may have been cancelled: then nobody asks for the reason.
                self._ready.exception()
        finally:
            self.over = True
            if not self._ready.done():
                self._ready.cancel()

    async def _rested(self) -> None:
        while not self._closing:
            self._stirred.clear()
            try:
                async with asyncio.timeout(self._idle_seconds if self.users == 0 else None):
                    await self._stirred.wait()
            except TimeoutError:
                return

    async def connection(self, seconds: float) -> Connection:
        """The connection, once it is open.

        Raises:
            DragomanError: it could not be opened, or not in time.
        """
        done, _ = await asyncio.wait({self._ready}, timeout=seconds)
        if not done:
            self.close()
            raise DeadlineExceeded(f"The MCP server did not answer within {seconds:g} seconds.")
        if self._ready.cancelled():
            raise ProviderError("The connection to the MCP server was closed.", code="mcp_session_over")
        return self._ready.result()

    def take(self) -> None:
        """Counts a user more."""
        self.users += 1
        self._stirred.set()

    def leave(self) -> None:
        """Counts a user less."""
        self.users -= 1
        self.used = True
        self._stirred.set()

    def close(self) -> None:
        """Has the connection closed."""
        self._closing = True
        self.over = True
        self._stirred.set()


class Sessions:
    """All open connections."""

    def __init__(self, tasks: TaskOwner, *, idle_seconds: float = _IDLE_SECONDS, most: int = _MOST) -> None:
        self._tasks = tasks
        self._idle_seconds = idle_seconds
        self._most = most
        self._open: OrderedDict[tuple[str, str], Session] = OrderedDict()

    @asynccontextmanager
    async def of(
        self, engine: Engine, endpoint: Endpoint, *, session: str, key: str
    ) -> AsyncGenerator[Session]:
        """The session's connection to the server; another user of it closes nothing.

        Raises:
            Unavailable: too many connections are in use.
        """
        found = self._open.get((session, key))
        if found is None or found.over:
            self._make_room()
            found = Session(engine, endpoint, idle_seconds=self._idle_seconds)
            self._open[session, key] = found
            self._tasks.start(found.hold(), name="mcp.session")
        self._open.move_to_end((session, key))
        found.take()
        try:
            yield found
        finally:
            found.leave()

    def _make_room(self) -> None:
        for name in [name for name, one in self._open.items() if one.over]:
            del self._open[name]
        if len(self._open) < self._most:
            return
        idle = next((name for name, one in self._open.items() if one.users == 0), None)
        if idle is None:
            raise Unavailable("Too many connections to MCP servers are in use.", code="mcp_busy")
        self._open.pop(idle).close()
