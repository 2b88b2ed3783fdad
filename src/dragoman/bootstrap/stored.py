"""Files of an object store on their way into a backup and out of it."""

from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import NotFound

_HOUR_MS = 3_600_000


async def fetch_all(blobs: ObjectStoreBlobs, folder: Path) -> int:
    """Copies every file of the store that the folder does not have yet; gives how many. Stored files never change.

    Raises:
        Unavailable: the store does not answer.
    """
    fetched = 0
    # Clocks differ; a file that comes while this goes on may be in the copy or not.
    async for keys in blobs.keys("", before_ms=now_ms() + _HOUR_MS):
        for key in keys:
            place = folder / key
            if not await to_thread.run_sync(place.exists):
                fetched += await _fetch(blobs, key, place)
    return fetched


async def _fetch(blobs: ObjectStoreBlobs, key: str, place: Path) -> bool:
    part = place.with_name(f"{place.name}.part")
    await to_thread.run_sync(lambda: place.parent.mkdir(parents=True, exist_ok=True))
    try:
        await blobs.fetch_to(key, part)
    except NotFound:
        await to_thread.run_sync(lambda: part.unlink(missing_ok=True))
        return False  # it was deleted meanwhile
    await to_thread.run_sync(part.rename, place)
    return True


async def store_all(blobs: ObjectStoreBlobs, folder: Path) -> int:
    """Puts every file of the folder into the store, under the key that its path is; gives how many.

    Doing it again is harmless, so that what was broken off can be begun anew.

    Raises:
        Unavailable: the store does not answer.
    """
    paths = await to_thread.run_sync(lambda: sorted(path for path in folder.rglob("*") if path.is_file()))
    for path in paths:
        await blobs.put_file(path.relative_to(folder).as_posix(), path)
    return len(paths)


async def fetch_some(blobs: ObjectStoreBlobs, keys: Sequence[str], folder: Path) -> list[str]:
    """Copies these files of the store into the folder; gives those that are not there.

    Raises:
        Unavailable: the store does not answer.
    """
    return [key for key in keys if not await _fetch(blobs, key, folder / key)]


async def forget(blobs: ObjectStoreBlobs, folder: Path) -> None:
    """Removes every file of the folder from the store, under the key that its path is.

    Raises:
        Unavailable: the store does not answer.
    """
    paths = await to_thread.run_sync(lambda: [path for path in folder.rglob("*") if path.is_file()])
    for path in paths:
        await blobs.delete(path.relative_to(folder).as_posix())
