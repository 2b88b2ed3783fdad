"""The append-only journal of usage: a line is with the operating system before the answer's last byte leaves.

``append`` is one ``write(2)``, so a killed process loses nothing; a thread makes the file durable every half
second, which bounds what a power cut can take. When the disk stalls or is full, lines wait in a bounded queue
for the same thread: the records of such a spell are in memory only until the disk comes back.
"""

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

log = structlog.get_logger(__name__)

SUFFIX = ".jsonl"
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one answer used; the fields are those of the table ``usage_records``.

    ``requests`` is 1 in the first record of a request and 0 in those that follow. ``receipt_id`` names the receipt that
    the record is a line of, None when that is its own id.
    """

    id: str
    at: int
    organisation_id: str
    user_id: str
    key_id: str | None
    agent_id: str | None
    dialect: str
    application: str | None
    kind: str
    model: str
    end_user: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    estimated: bool
    cost_micro_usd: int
    duration_ms: int
    status: int
    requests: int = 1
    receipt_id: str | None = None


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Bounds. A disk that takes longer than ``stall_seconds`` for one call counts as stalled.

    Trouble is logged once in ``report_seconds``.
    """

    sync_seconds: float = 0.5
    stall_seconds: float = 0.1
    report_seconds: float = 60.0
    segment_bytes: int = 16 * 1024 * 1024
    segment_seconds: float = 600.0
    queued_lines: int = 200_000


class Journal:
    """One process's segments. The file being written is locked, which tells others that its writer lives."""

    def __init__(self, folder: Path, limits: JournalLimits | None = None) -> None:
        """Opens the first segment.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.folder = folder
        self.dropped_lines = 0
        self._limits = limits or JournalLimits()
        self._name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0
        # Held while writing, so by a thread that a stuck disk holds; the queue has a lock that is always free soon.
        self._lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._stalled = False
        self._reported_at: float | None = None
        self._torn = False
        self._dirty = False
        self._disk_call_since: float | None = None
        self._wake = threading.Event()
        self._closing = False
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._fd = self._open_segment()
        self._size = 0
        self._opened_at = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="usage-journal", daemon=True)
        self._thread.start()

    @property
    def segment(self) -> Path:
        """The segment being written; all others of this process are complete."""
        return self._path

    @property
    def stalled(self) -> bool:
        """Whether lines wait in memory for the disk."""
        return self._stalled

    @staticmethod
    def writer_of(segment: Path) -> str:
        """The ``name`` of the journal that a segment belongs to."""
        return segment.name.rsplit("-", 1)[0]

    def owns(self, segment: Path) -> bool:
        """Whether the segment is one of this process's."""
        return segment.name.startswith(self._name)

    @property
    def name(self) -> str:
        """What the names of this process's segments begin with; no other process ever has it."""
        return self._name

    def append(self, record: UsageRecord) -> None:
        """Takes the record; never raises and does not wait for a stalled disk."""
        self._append(record)

    def hold(self, estimate: UsageRecord) -> None:
        """Notes what is to be charged under the record's id when this process is killed before it is settled."""
        self._append({"hold": estimate})

    def release(self, hold_id: str) -> None:
        """Notes that nothing is to be charged for a hold."""
        self._append({"released": hold_id})

    def receipt(self, receipt: Mapping[str, object]) -> None:
        """Takes what a receipt tells beside its usage records."""
        self._append({"receipt": receipt})

    def _append(self, value: UsageRecord | Mapping[str, object]) -> None:
        line = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
        since = self._disk_call_since
        if since is not None and time.monotonic() - since > self._limits.stall_seconds:
            self._stall("the disk does not answer")
        if self._stalled and self._queued(line):
            return
        started = time.monotonic()
        with self._lock:
            problem = self._write(line)
        if problem is not None:
            self._stall(problem, line)
        elif time.monotonic() - started > self._limits.stall_seconds:
            self._stall("the disk is slow")

    def _write(self, line: bytes) -> str | None:
        """Writes a line whole; else says why not, the line then being unwritten or torn."""
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            return error.strerror or type(error).__name__
        self._size += written
        self._dirty = True
        self._torn = written < len(line)
        return "the disk took part of a line" if self._torn else None

    def _stall(self, reason: str, line: bytes | None = None) -> None:
        """From here on lines wait for the thread, this one first."""
        with self._queue_lock:
            began = not self._stalled
            self._stalled = True
            if line is not None:
                self._put(line)
        now = time.monotonic()
        if began and (self._reported_at is None or now - self._reported_at > self._limits.report_seconds):
            self._reported_at = now
            log.error("usage.journal_stalled", reason=reason, segment=self._path.name)
        self._wake.set()

    def _queued(self, line: bytes) -> bool:
        """Whether the line waits now; not when the disk has come back meanwhile."""
        with self._queue_lock:
            if self._stalled:
                self._put(line)
            return self._stalled

    def _put(self, line: bytes) -> None:
        if len(self._queue) >= self._limits.queued_lines:
            if self.dropped_lines == 0:
                log.error("usage.journal_queue_full", lines=self._limits.queued_lines)
            self.dropped_lines += 1
            return
        self._queue.append(line)

    def _keep(self) -> None:
        """The thread: makes durable, drains the queue, starts new segments."""
        while not self._closing:
            self._wake.wait(self._limits.sync_seconds)
            self._wake.clear()
            try:
                self._drain()
                self._sync()
                self._rotate()
            except OSError as error:
                self._stall(error.strerror or type(error).__name__)
            if self._stalled and not self._closing:
                # The flag came from a disk that refuses: try again, but not in a tight loop.
                time.sleep(min(self._limits.sync_seconds, 0.05))

    @contextlib.contextmanager
    def _disk_call(self) -> Generator[None]:
        """Lets ``append`` see how long the disk has been busy with us."""
        self._disk_call_since = time.monotonic()
        try:
            yield
        finally:
            self._disk_call_since = None

    def _drain(self) -> None:
        """Writes what waits; the stall is over once nothing does."""
        while True:
            with self._queue_lock:
                if not self._queue:
                    self._stalled = False
                    return
                line = self._queue[0]
            with self._disk_call(), self._lock:
                problem = self._write(line)
            if problem is not None:
                return
            self._queue.popleft()

    def _sync(self) -> None:
        if self._dirty:
            self._dirty = False
            try:
                with self._disk_call():
                    os.fdatasync(self._fd)
            except OSError:
                self._dirty = True
                raise

    def _rotate(self) -> None:
        aged = time.monotonic() - self._opened_at >= self._limits.segment_seconds
        if not self._size or not (aged or self._size >= self._limits.segment_bytes):
            return
        with self._disk_call():
            path, fd = self._open_segment()
            with self._lock:
                old, self._fd, self._path = self._fd, fd, path
                self._size, self._torn, self._opened_at = 0, False, time.monotonic()
            try:
                os.fdatasync(old)
            finally:
                os.close(old)

    def _open_segment(self) -> tuple[Path, int]:
        path = self.folder / f"{self._name}-{self._number:06d}{SUFFIX}"
        self._number += 1
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, _MODE)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path, fd

    def close(self) -> None:
        """Writes what waits, makes it durable and ends the thread; blocks while the disk works."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=10)
        if not self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._drain()
                self._sync()
            fd, self._fd = self._fd, -1
            os.close(fd)
        if self._queue or self.dropped_lines:
            log.error("usage.journal_lost", lines=len(self._queue) + self.dropped_lines)
