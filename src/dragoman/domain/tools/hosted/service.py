"""Keeping what tools made at public addresses that cannot be guessed, for a while."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.tools.hosted import repository
from dragoman.domain.tools.hosted.model import HostedFile, HostedKind
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import DragomanError, NotFound, TooLarge
from dragoman.kit.ids import uuid7

log = structlog.get_logger(__name__)

FOLDER = "hosted"
_DAY_MS = 24 * 3_600_000
_AGE_MS = 6 * 3_600_000
_PAUSE_SECONDS = 6 * 3600.0
_BATCH = 200
_TOKEN = re.compile(r"/([\w-]{43})(?:/[^/]*)?\Z")


class Blobs(Protocol):
    """What is needed of the store of files."""

    async def put(self, key: str, data: bytes) -> None:
        """Stores bytes under the key."""
        ...

    def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        ...

    async def delete(self, key: str) -> None:
        """Forgets the key; harmless when it is not there."""
        ...

    def keys(self, prefix: str, *, before_ms: int) -> AsyncIterator[list[str]]:
        """The keys below a folder of files last written before that time."""
        ...


# From what kind of file it is, its token and its name to where anybody may fetch it.
Link = Callable[[HostedKind, str, str], str]


class HostedFiles:
    """Stores, finds and forgets hosted files.

    Args:
        link: makes the public address.
        days: how long a file is kept.
        owner_bytes: how much one user's files may take up together.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        *,
        link: Link,
        days: int = 90,
        owner_bytes: int = 1024**3,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._link = link
        self._days = days
        self._owner_bytes = owner_bytes
        self._clock_ms = clock_ms

    @property
    def days(self) -> int:
        """How long a file is kept."""
        return self._days

    async def store(
        self, caller: Caller, data: bytes, *, kind: HostedKind, name: str, media_type: str
    ) -> str:
        """The public address of a new file, which holds from now on.

        Raises:
            TooLarge: the caller's files would take up too much.
            Unavailable: it could not be stored.
        """
        now, token = self._clock_ms(), secrets.token_urlsafe(32)
        used = await self._database.read(repository.used_bytes, caller, now)
        if used + len(data) > self._owner_bytes:
            raise TooLarge(
                f"Files at public addresses may take up {self._owner_bytes} bytes together; {used} are used.",
                code="hosting_full",
            )
        file = HostedFile(kind, name[:255], media_type, len(data), f"{FOLDER}/{caller.user_id}/{uuid7()}")
        await self._blobs.put(file.blob, data)

        def keep(connection: Connection) -> None:
            until = now + self._days * _DAY_MS
            repository.insert(connection, caller, text_digest(token), file, now=now, until=until)

        await self._database.write(keep)
        return self._link(kind, token, file.name)

    async def open(self, kind: HostedKind, token: str) -> tuple[HostedFile, AsyncIterator[bytes]]:
        """The file behind a token, with its content.

        Raises:
            NotFound: the token is unknown or has expired.
        """
        found = await self._database.read(repository.by_digest, text_digest(token), kind, self._clock_ms())
        if found is None:
            raise NotFound("File not found.", code="file_not_found")
        return found, self._blobs.open(found.blob)

    async def content(self, url: str) -> bytes | None:
        """What is kept at a public address of this server, None when the address is another's."""
        token = _TOKEN.search(urlsplit(url).path)
        if token is None:
            return None
        try:
            _, pieces = await self.open("media", token.group(1))
        except NotFound:
            return None
        return b"".join([piece async for piece in pieces])

    async def run(self) -> None:
        """Forgets what has expired, at the start and then four times a day; start it with ``kit.tasks``."""
        while True:
            try:
                gone = await self.sweep()
            except DragomanError as error:
                log.warning("hosted.expired_kept", reason=error.detail)
            else:
                if gone:
                    log.info("hosted.expired_removed", files=gone)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def sweep(self) -> int:
        """Removes files whose time is over, and those that a killed process left without an address; gives how many."""
        now, gone = self._clock_ms(), 0
        while blobs := await self._database.read(repository.expired, now, _BATCH):
            for blob in blobs:
                await self._blobs.delete(blob)
            await self._database.write(repository.forget, blobs)
            gone += len(blobs)
        async for keys in self._blobs.keys(FOLDER, before_ms=now - _AGE_MS):
            needed = await self._database.read(repository.known, keys) if keys else set[str]()
            for key in keys:
                if key not in needed:
                    await self._blobs.delete(key)
                    gone += 1
        return gone
