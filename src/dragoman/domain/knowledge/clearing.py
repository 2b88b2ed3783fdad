"""Taking away a whole collection for the operator."""

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.knowledge.indexing import DELETED_AT_ONCE, Indexing
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.repository import collections


async def clear_collection(database: Database, indexing: Indexing, blobs: BlobStore, key: int) -> int:
    """How many files the collection had, which is gone with all of them; in steps, so that nobody waits for long.

    Raises:
        Unavailable: the database or the store does not answer; begin anew.
    """
    files, full = 0, True
    while full:
        gone = await database.write(indexing.delete_documents, key)
        for blob in filter(None, gone):
            await blobs.delete(blob)
            files += 1
        full = len(gone) == DELETED_AT_ONCE

    def remove(connection: Connection) -> None:
        indexing.delete_documents(connection, key)
        collections.delete(connection, key)

    await database.write(remove)
    return files
