"""Files in a local folder or an object store, through obstore."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from anyio import to_thread
from obstore.store import LocalStore, ObjectStore, from_url

from dragoman.kit.errors import NotFound, Unavailable


class ObjectStoreBlobs:
    """Files by key; a put is visible whole or not at all."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put_file(self, key: str, path: Path) -> None:
        """Stores a file, in parts when it is large, so that memory stays bounded."""
        try:
            await obstore.put_async(self._store, key, path, use_multipart=True)
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


def local_blobs(folder: Path) -> ObjectStoreBlobs:
    """Files below a folder, which is made when it is not there."""
    return ObjectStoreBlobs(LocalStore(str(folder), mkdir=True, automatic_cleanup=True))


def remote_blobs(url: str) -> ObjectStoreBlobs:
    """Files in the object store at an address such as ``s3://bucket/prefix``; credentials come from its own environment."""
    return ObjectStoreBlobs(from_url(url))
