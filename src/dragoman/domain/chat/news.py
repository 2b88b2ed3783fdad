"""Tells whoever watches a session that something changed in it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.errors import unavailable
from dragoman.domain.chat.repository import messages, sessions
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest

# Other processes change sessions as well: nobody tells of that, so it is looked for.
_LOOK_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class SessionNews:
    """How a session stands: the id of what was said last, and whether a person answers in it."""

    last_message_id: str | None
    held: bool


class NewsDesk:
    """Lets sessions be watched. What this process changes is told at once, the rest within seconds."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._watchers: dict[int, set[asyncio.Event]] = {}

    def tell(self, session_key: int) -> None:
        """Wakes everybody who watches the session."""
        for told in self._watchers.get(session_key, ()):
            told.set()

    async def watch(self, access_key: str) -> AsyncGenerator[SessionNews | None]:
        """How the session stands now, then whenever that changed; None after every look that found nothing new.

        Raises:
            ChatUnavailable: the session is none that can be talked in, any more.
        """
        digest, told = text_digest(access_key), asyncio.Event()
        key = (await self._database.read(self._look, digest))[0]
        watchers = self._watchers.setdefault(key, set())
        watchers.add(told)
        try:
            news = None
            while True:
                told.clear()
                _, found = await self._database.read(self._look, digest)
                yield None if found == news else found
                news = found
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await told.wait()
        finally:
            watchers.discard(told)
            if not watchers and self._watchers.get(key) is watchers:
                del self._watchers[key]

    def _look(self, connection: Connection, digest: str) -> tuple[int, SessionNews]:
        now = self._clock_ms()
        live = sessions.live(connection, digest, now)
        if live is None:
            raise unavailable()
        key = live.session.key
        return key, SessionNews(messages.last(connection, key), live.session.is_held(now))
