"""Removes files that belong to nothing: what a process left behind that was killed between a file and its row."""

import asyncio
import shutil
from pathlib import Path

import structlog
from anyio import to_thread

from dragoman.db.database import Database
from dragoman.domain.knowledge.ingest import BLOB_FOLDER
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.repository import documents
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

# No request takes as long, so that a file of that age without a row will not get one any more.
_AGE_MS = 6 * 3_600_000
_PAUSE_SECONDS = 24 * 3_600.0


class Leftovers:
    """Looks for such files at the start and then once a day.

    Args:
        scratch: a folder for files on their way; what is old there is left over, too.
    """

    def __init__(self, *, database: Database, blobs: BlobStore, scratch: Path) -> None:
        self._database = database
        self._blobs = blobs
        self._scratch = scratch

    async def run(self) -> None:
        """Looks for ever; start it with ``kit.tasks``."""
        while True:
            try:
                gone = await self.sweep(before_ms=now_ms() - _AGE_MS)
            except (DragomanError, OSError) as error:
                log.warning("knowledge.leftovers_kept", reason=str(error))
            else:
                if gone:
                    log.info("knowledge.leftovers_removed", files=gone)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def sweep(self, *, before_ms: int) -> int:
        """Removes what has been without an owner since before that time; gives how many files.

        Raises:
            Unavailable: the database cannot be read; nothing is removed without asking it.
        """
        gone = await to_thread.run_sync(_sweep_folder, self._scratch, before_ms)
        gone += await self._blobs.forget_unfinished(before_ms=before_ms)
        async for keys in self._blobs.keys(BLOB_FOLDER, before_ms=before_ms):
            if not keys:
                continue
            needed = await self._database.read(documents.referenced_blobs, keys)
            for key in keys:
                if key not in needed:
                    await self._blobs.delete(key)
                    gone += 1
        return gone


def _sweep_folder(folder: Path, before_ms: int) -> int:
    gone = 0
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime_ns >= before_ms * 1_000_000:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue  # its owner was quicker
        gone += 1
    return gone
