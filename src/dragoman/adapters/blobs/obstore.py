"""Files in a local folder or an object store, through obstore."""

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import obstore
from anyio import to_thread
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from dragoman.kit.errors import DragomanError, InvalidInput, NotFound, Unavailable

_KEYS_AT_ONCE = 500
# Each is held in memory while it is written; its size is the store's own.
_PARTS_AT_ONCE = 2
_CONNECT_SECONDS, _ANSWER_SECONDS, _RETRY_SECONDS, _RETRIES = 5, 60, 30, 5


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
        with _failing(
            "The file could not be stored",
            absent=Unavailable("The store of files has no such folder or bucket."),
        ):
            await obstore.put_async(
                self._store, key, path, use_multipart=True, max_concurrency=_PARTS_AT_ONCE
            )

    async def put(self, key: str, data: bytes) -> None:
        """Stores bytes."""
        with _failing(
            "The file could not be stored",
            absent=Unavailable("The store of files has no such folder or bucket."),
        ):
            await obstore.put_async(self._store, key, data)

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The stored bytes, in pieces of about a megabyte."""
        with _failing("The stored file could not be read"):
            found = await obstore.get_async(self._store, key)
        pieces = aiter(found.stream(min_chunk_size=1 << 20))
        while True:
            with _failing("The stored file could not be read"):
                try:
                    piece = bytes(await anext(pieces))
                except StopAsyncIteration:
                    return
            yield piece

    async def fetch_to(self, key: str, path: Path) -> None:
        """Writes the stored bytes to a local file."""
        # Opened for each piece: whoever is cancelled while a thread opens a file has nothing to close it by.
        await to_thread.run_sync(_write, path, b"", "wb")
        async for piece in self.open(key):
            await to_thread.run_sync(_write, path, piece, "ab")

    async def delete(self, key: str) -> None:
        """Forgets the key."""
        try:
            with _failing("The stored file could not be deleted"):
                await obstore.delete_async(self._store, key)
        except NotFound:
            return

    async def keys(self, prefix: str, *, before_ms: int) -> AsyncIterator[list[str]]:
        """The keys below a folder, or all for an empty one, of files last written before that time."""
        before = datetime.fromtimestamp(before_ms / 1000, UTC)
        batches = aiter(obstore.list(self._store, prefix or None, chunk_size=_KEYS_AT_ONCE))
        while True:
            with _failing("The stored files could not be listed"):
                try:
                    batch = await anext(batches)
                except StopAsyncIteration:
                    return
            yield [found["path"] for found in batch if found["last_modified"] < before]

    async def forget_unfinished(self, *, before_ms: int) -> int:
        """Removes the parts of files whose writing never came to its end."""
        return 0 if self._folder is None else await to_thread.run_sync(_forget_parts, self._folder, before_ms)


def _write(path: Path, piece: bytes, mode: Literal["wb", "ab"]) -> None:
    with path.open(mode) as file:
        file.write(piece)


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


def remote_blobs(url: str, options: Mapping[str, str]) -> ObjectStoreBlobs:
    """Files in the object store at an address such as ``s3://bucket/folder``.

    Args:
        options: of the store, by obstore's names; what is not given comes from the environment, such as ``AWS_...``.

    Raises:
        InvalidInput: the address or an option is not one that the store knows.
    """
    client: Any = {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_ANSWER_SECONDS),
    }
    retries: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    config: Any = dict(options)
    try:
        store = from_url(url, config=config or None, client_options=client, retry_config=retries)
    except (BaseError, ValueError, TypeError) as error:
        said = str(error).strip().partition("\n")[0]
        raise InvalidInput(f"The object store at {url} cannot be used: {said}", param="blobs.url") from error
    return ObjectStoreBlobs(store)


@contextmanager
def _failing(what: str, *, absent: DragomanError | None = None) -> Generator[None]:
    """Turns a store's failures into ours; what the store says may hold addresses and goes to the log by the chain only.

    Args:
        absent: what it means that there is nothing; None: that the file is gone.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise absent or NotFound("The stored file is gone.") from error
    except OSError as error:
        raise Unavailable(f"{what}: {error.strerror or error}") from error
    except BaseError as error:
        raise Unavailable(f"{what}: the object store does not answer as it should.") from error
