"""Files in a local folder or an object store, through obstore."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
from anyio import to_thread
from obstore.store import LocalStore, ObjectStore, from_url

from dragoman.kit.errors import NotFound, Unavailable

_KEYS_AT_ONCE = 500
# Each is held in memory while it is written; its size is the store's own.
_PARTS_AT_ONCE = 2


class ObjectStoreBlobs:
    """Files by key; a put is visible whole or not at all.

    Args:
        folder: where a local store keeps its files; None for an object store, which forgets what was never
            finished by rules of its own.
    """

    def __init__(self, store: ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put_file(self, key: str, path: Path) -> None:
        """Stores a file, in parts when it is large, so that memory stays bounded."""
        try:
            await obstore.put_async(
                self._store, key, path, use_multipart=True, max_concurrency=_PARTS_AT_ONCE
            )
        except OSError as error:
            raise Unavailable(f"The file could not be stored: {error.strerror or error}") from error

    async def put(self, key: str, data: bytes) -> None:
        """Stores bytes."""
        try:
            await obstore.put_async(self._store, key, data)
        except OSError as error:
            raise Unavailable(f"The file could not be stored: {error.strerror or error}") from error

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The stored bytes, in pieces of about a megabyte."""
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            raise NotFound("The stored file is gone.") from error
        async for piece in found.stream(min_chunk_size=1 << 20):
            yield bytes(piece)

    async def fetch_to(self, key: str, path: Path) -> None:
        """Writes the stored bytes to a local file."""
        file = await to_thread.run_sync(path.open, "wb")
        try:
            async for piece in self.open(key):
                await to_thread.run_sync(file.write, piece)
        finally:
            await asyncio.shield(to_thread.run_sync(file.close))

    async def delete(self, key: str) -> None:
        """Forgets the key."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return

    async def keys(self, prefix: str, *, before_ms: int) -> AsyncIterator[list[str]]:
        """The keys below a folder of files last written before that time."""
        before = datetime.fromtimestamp(before_ms / 1000, UTC)
        async for batch in obstore.list(self._store, prefix, chunk_size=_KEYS_AT_ONCE):
            yield [found["path"] for found in batch if found["last_modified"] < before]

    async def forget_unfinished(self, *, before_ms: int) -> int:
        """Removes the parts of files whose writing never came to its end."""
        return 0 if self._folder is None else await to_thread.run_sync(_forget_parts, self._folder, before_ms)


def _forget_parts(folder: Path, before_ms: int) -> int:
    # A local store writes to "<key>#<number>" and renames; it lists no such names.
    gone = 0
    for path in folder.rglob("*#*"):
        if path.name.rpartition("#")[2].isdigit() and path.stat().st_mtime_ns < before_ms * 1_000_000:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def local_blobs(folder: Path) -> ObjectStoreBlobs:
    """Files below a folder, which is made when it is not there."""
    return ObjectStoreBlobs(LocalStore(str(folder), mkdir=True, automatic_cleanup=True), folder=folder)


def remote_blobs(url: str) -> ObjectStoreBlobs:
    """Files in the object store at an address such as ``s3://bucket/prefix``; credentials come from its own environment."""
    return ObjectStoreBlobs(from_url(url))
