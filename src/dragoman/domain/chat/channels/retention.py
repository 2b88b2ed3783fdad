"""Forgets messages of messaging services that were dealt with long ago."""

import asyncio
from collections.abc import Callable

import structlog

from dragoman.db.database import Database
from dragoman.domain.chat.channels import repository
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 3600.0
_ROWS = 500
_DAY_MS = 86_400_000


class ForgottenMessages:
    """Removes them in small steps. What was said stays in the sessions; here are only the copies for telling messages apart."""

    def __init__(self, database: Database, *, keep_days: int, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._keep_ms = keep_days * _DAY_MS
        self._clock_ms = clock_ms

    async def run(self) -> None:
        """Looks every hour, for ever."""
        while True:
            try:
                await self.forget()
            except DragomanError as error:
                log.warning("channel.retention_failed", reason=error.detail)
            await asyncio.sleep(_EVERY_SECONDS)

    async def forget(self) -> None:
        """Removes everything that is old enough now."""
        before = self._clock_ms() - self._keep_ms
        while await self._database.write(lambda c: repository.forget(c, before, limit=_ROWS)):
            pass
