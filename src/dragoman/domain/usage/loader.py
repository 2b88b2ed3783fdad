"""Moves journal lines into the database, each exactly once, and removes segments that are done with."""

import asyncio
import fcntl
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import structlog

from dragoman.db.database import Database
from dragoman.domain.usage import repository
from dragoman.domain.usage.budgets import repository as budgets
from dragoman.domain.usage.budgets.limiter import Limiter
from dragoman.domain.usage.budgets.model import Calendar
from dragoman.domain.usage.journal import SUFFIX, Journal, UsageRecord
from dragoman.kit.errors import Conflict, DragomanError

log = structlog.get_logger(__name__)

_BATCH_BYTES = 1 << 20


@dataclass(slots=True)
class _Batch:
    """Whole lines of a segment up to ``end``. ``more``: the segment goes on behind them."""

    end: int
    more: bool
    lines: repository.Lines = field(default_factory=repository.Lines)


class JournalLoader:
    """Loads this process's segments and those that dead processes left in the folder.

    The offset moves in the transaction that inserts the records, so a crash in between loses nothing and
    repeats nothing. A database that cannot be reached delays loading; the lines stay in their files.
    """

    def __init__(
        self,
        journal: Journal,
        database: Database,
        *,
        limiter: Limiter | None = None,
        every_seconds: float = 1.0,
    ) -> None:
        self._journal = journal
        self._database = database
        self._every_seconds = every_seconds
        self._limiter = limiter
        self._calendar = limiter.calendar if limiter is not None else Calendar()
        # Reservations in the database, by the name of their journal.
        self._held: dict[str, set[str]] = {}
        self._offsets: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._failing = False

    async def run(self) -> None:
        """Loads for ever; start it with ``kit.tasks``."""
        while True:
            await self._load_or_report()
            await asyncio.sleep(self._every_seconds)

    async def _load_or_report(self) -> None:
        try:
            await self.load()
        except (DragomanError, OSError) as error:
            if not self._failing:
                self._failing = True
                log.exception("usage.load_failed", reason=str(error))
        else:
            self._failing = False

    async def load(self) -> int:
        """Loads what is there now and says how many records that was.

        Raises:
            Unavailable: the database cannot be written to; nothing is lost.
        """
        async with self._lock:
            count = 0
            for segment in await asyncio.to_thread(_segments, self._journal.folder):
                if self._journal.owns(segment):
                    count += await self._load_own(segment)
                else:
                    count += await self._load_foreign(segment)
            return count

    async def _load_own(self, segment: Path) -> int:
        # Asked before reading: what is written to a segment afterwards must not be missed.
        complete = segment != self._journal.segment
        count = await self._load_segment(segment)
        if complete:
            await self._remove(segment)
        return count

    async def _load_foreign(self, segment: Path) -> int:
        lock = await asyncio.to_thread(_claim, segment)
        if lock is None:
            return 0
        try:
            count = await self._load_segment(segment)
            count += await self._bury(segment)
            await self._remove(segment)
            return count
        finally:
            os.close(lock)

    async def _load_segment(self, segment: Path) -> int:
        name = segment.name
        count = 0
        while True:
            loaded = self._offsets.get(name)
            if loaded is None:
                loaded = self._offsets[name] = await self._database.read(repository.offset, name)
            batch = await asyncio.to_thread(_read, segment, loaded)
            if batch.end == loaded:
                return count
            try:
                await self._take_in(segment, batch, loaded)
            except Conflict:
                del self._offsets[name]
                raise
            self._offsets[name] = batch.end
            count += len(batch.lines.records)
            if not batch.more:
                return count

    async def _take_in(self, segment: Path, batch: _Batch, loaded: int) -> None:
        """One transaction: records, what they add to the limits, receipts, the offset."""
        writer = self._journal.writer_of(segment)
        if writer not in self._held:
            self._held[writer] = await self._database.read(budgets.hold_ids, writer)
        lines = batch.lines.without_settled(self._held[writer])
        own = self._limiter is not None and self._journal.owns(segment)
        async with self._limiter.loading() if self._limiter is not None else nullcontext():
            added = await self._database.write(
                repository.load,
                segment.name,
                lines,
                loaded=loaded,
                end=batch.end,
                writer=writer,
                calendar=self._calendar,
            )
            if own and self._limiter is not None:
                self._limiter.loaded(added)
        self._held[writer] -= set(lines.settled)
        self._held[writer] |= {hold.id for hold in lines.holds}

    async def _bury(self, segment: Path) -> int:
        """After the last segment of a dead process, what it had reserved and not settled is charged."""
        writer = self._journal.writer_of(segment)
        others = await asyncio.to_thread(_segments, self._journal.folder)
        if any(other != segment and self._journal.writer_of(other) == writer for other in others):
            return 0
        count = await self._database.write(repository.bury, writer, calendar=self._calendar)
        self._held.pop(writer, None)
        if count:
            log.warning("usage.unsettled_charged", answers=count, writer=writer)
        return count

    async def _remove(self, segment: Path) -> None:
        """The file goes first: were it the last to go, a crash in between would load it again."""
        await asyncio.to_thread(segment.unlink, missing_ok=True)
        self._offsets.pop(segment.name, None)
        await self._database.write(repository.forget_segment, segment.name)


def _segments(folder: Path) -> list[Path]:
    """The segments, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _claim(segment: Path) -> int | None:
    """The lock that a living writer would hold, as an open file to be closed; None when there is such a writer."""
    try:
        lock = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _read(segment: Path, start: int) -> _Batch:
    with segment.open("rb") as file:
        file.seek(start)
        block = file.read(_BATCH_BYTES)
    full = len(block) == _BATCH_BYTES
    size = block.rfind(b"\n") + 1
    if not size and full:
        log.error("usage.journal_unreadable", segment=segment.name, offset=start, bytes=len(block))
        return _Batch(start + len(block), True)
    batch = _Batch(start + size, full)
    for line in block[:size].splitlines():
        if line and not _decode(line, batch.lines):
            # A line is torn when the disk was full in its midst; its record was then written again behind it.
            log.error("usage.journal_unreadable", segment=segment.name, offset=start, bytes=len(line))
    return batch


def _decode(line: bytes, into: repository.Lines) -> bool:
    """Whether the line could be read."""
    try:
        value = orjson.loads(line)
        if "id" in value:
            into.records.append(UsageRecord(**value))
        elif "hold" in value:
            into.holds.append(UsageRecord(**value["hold"]))
        elif "receipt" in value:
            into.receipts.append(value["receipt"])
        else:
            into.settled.append(value["released"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return False
    return True
