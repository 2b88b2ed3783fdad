"""The server as a whole, for who looks after it: what it is, what it holds, what it does, what is wrong with it."""

import asyncio
import os
import platform
import shutil
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from anyio import to_thread
from sqlalchemy import Connection

from dragoman import __version__
from dragoman.bootstrap.doctor import findings
from dragoman.bootstrap.offline import record_file
from dragoman.bootstrap.services import Running
from dragoman.db.jobs import counts_by_kind, holders
from dragoman.domain.inference.catalogue import CatalogueEntry
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.jsontypes import JsonValue
from dragoman.kit.offline import Attempt, attempts
from dragoman.kit.recent import Line, RecentLines
from dragoman.settings import LoadedSettings

_SHOWN_ATTEMPTS = 100
_MOST_FILES = 1_000_000


class System:
    """Tells of one running server process and of the database that it shares with others.

    Args:
        loaded: the settings with their origins.
        recent: the last lines of the log; whoever makes it has it watch the log.
    """

    def __init__(self, running: Running, loaded: LoadedSettings, recent: RecentLines) -> None:
        self._running = running
        self._loaded = loaded
        self._recent = recent
        self._started_at = now_ms()
        self._checking = asyncio.Lock()

    async def overview(self) -> dict[str, JsonValue]:
        """Version, place, models, what may be contacted, and the work in the background."""
        settings = self._loaded.settings
        catalogue = self._running.services.catalogue
        return {
            "version": __version__,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "host": socket.gethostname(),
            "process": os.getpid(),
            "startedAt": iso(self._started_at),
            "address": settings.server.public_url or self._running.address.own,
            "dataFolder": str(settings.data_dir),
            "database": "PostgreSQL" if settings.database_url is not None else "SQLite",
            "settingsFile": None if self._loaded.file is None else str(self._loaded.file),
            "models": [_entry(one) for one in catalogue.entries()],
            "searchProblem": self._running.services.embed.reason,
            "contacts": await self._contacts(),
            "work": await self._running.database.read(_work),
            "worksHere": settings.machines.work,
        }

    async def _contacts(self) -> dict[str, JsonValue]:
        settings = self._loaded.settings
        refused: Iterable[Attempt] = self._running.denials.latest
        if settings.offline:
            refused = await to_thread.run_sync(attempts, record_file(settings))
        return {
            "offline": settings.offline,
            "allow": list(settings.egress.allow),
            "refused": [_attempt(one) for one in list(refused)[: -_SHOWN_ATTEMPTS - 1 : -1]],
        }

    async def storage(self) -> dict[str, JsonValue]:
        """How much each part of the data folder takes; walks through all of it."""
        return await to_thread.run_sync(_storage, self._loaded.settings.data_dir)

    async def checks(self) -> list[JsonValue]:
        """The findings of ``dragoman doctor``; takes seconds. Who asks meanwhile waits for their turn."""
        async with self._checking:
            found = await to_thread.run_sync(findings, self._loaded.settings)
        return [asdict(one) for one in found]

    def config(self) -> list[JsonValue]:
        """Every setting with its value and where that came from."""
        return [
            {"name": one.name, "value": _plain(one.value), "origin": one.origin}
            for one in self._loaded.shown()
        ]

    def log(self, *, least: str, text: str, limit: int) -> list[JsonValue]:
        """The latest lines of this process's log."""
        return [_line(one) for one in self._recent.select(least=least, text=text, limit=limit)]


def _entry(entry: CatalogueEntry) -> JsonValue:
    return {
        "name": entry.name,
        "owner": entry.owner,
        "inForce": entry.in_force,
        "demo": entry.demo,
        "unavailable": entry.unavailable,
    }


def _attempt(attempt: Attempt) -> JsonValue:
    return {
        "at": iso(int(attempt.at * 1000)),
        "verdict": attempt.verdict,
        "by": attempt.place,
        "host": attempt.host,
        "port": attempt.port,
        "process": attempt.process,
    }


def _work(connection: Connection) -> dict[str, JsonValue]:
    now = now_ms()
    return {
        "queues": [
            {
                "kind": one.kind,
                "states": dict(one.states),
                "waitingSeconds": None if one.oldest_due_at is None else (now - one.oldest_due_at) // 1000,
            }
            for one in counts_by_kind(connection, now)
        ],
        "workers": [{"name": owner, "jobs": number} for owner, number in holders(connection)],
    }


def _storage(folder: Path) -> dict[str, JsonValue]:
    parts: dict[str, list[int]] = {}
    left = _MOST_FILES
    for top in sorted(folder.iterdir()):
        files = _files(top) if top.is_dir() and not top.is_symlink() else iter((top,))
        held = parts.setdefault(top.name, [0, 0])
        for file in files:
            held[0] += 1
            held[1] += _bytes(file)
            left -= 1
            if left <= 0:
                break
    disk = shutil.disk_usage(folder)
    return {
        "folder": str(folder),
        "parts": [{"name": name, "files": held[0], "bytes": held[1]} for name, held in parts.items()],
        "whole": left > 0,
        "freeBytes": disk.free,
        "diskBytes": disk.total,
        "at": iso(int(time.time() * 1000)),
    }


def _files(folder: Path) -> Iterable[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _bytes(file: Path) -> int:
    """What a file takes on the disk; one that is gone meanwhile takes nothing."""
    try:
        return file.lstat().st_blocks * 512
    except OSError:
        return 0


def _plain(value: object) -> JsonValue:
    """A setting's value as JSON; what has no form there as its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)


def _line(line: Line) -> JsonValue:
    return {"at": line.at, "level": line.level, "event": line.event, "facts": dict(line.facts)}
