"""Counters that tell every process when something it keeps in memory has changed in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

CHECK_SECONDS = 0.5
Refresh: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Topic:
    seen: int = 0
    refreshes: list[Refresh] = field(default_factory=list[Refresh])


class Versions:
    """Calls those who keep a topic in memory when its version is raised, here or by another process.

    The change of another process is seen within ``CHECK_SECONDS``; one of this process at once, by ``check``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._topics: dict[str, _Topic] = {}
        self._checking = asyncio.Lock()

    @staticmethod
    def announce(connection: Connection, topic: str) -> None:
        """Raises the topic's version in the transaction of the change itself."""
        repository.raise_version(connection, topic)

    def subscribe(self, topic: str, refresh: Refresh) -> None:
        """Has ``refresh`` called after each change of the topic."""
        self._topics.setdefault(topic, _Topic()).refreshes.append(refresh)

    async def check(self) -> None:
        """Refreshes every topic that changed since it was last looked at; when this returns, all are up to
        date.

        Raises:
            Unavailable: the database cannot be reached; what is in memory stays.
        """
        async with self._checking:
            current = await self._database.read(repository.versions_of_topics)
            for name, topic in self._topics.items():
                if current.get(name, 0) == topic.seen:
                    continue
                for refresh in topic.refreshes:
                    await refresh()
                topic.seen = current.get(name, 0)

    def start(self, tasks: TaskOwner) -> None:
        """Checks from now on in the background."""
        tasks.start(self._watch(), name="accounts.versions")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except DragomanError as error:
                log.warning("accounts.versions.unreadable", reason=error.detail)
