"""Erasing people over a data folder, for a command; also while a server runs."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from dragoman.bootstrap.accounts import open_database_and_key
from dragoman.bootstrap.machines import open_blobs
from dragoman.bootstrap.retrieval import passage_index
from dragoman.domain.erasure.service import Erasure
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.sandbox import names
from dragoman.settings import Settings


@asynccontextmanager
async def open_erasure(settings: Settings) -> AsyncIterator[Erasure]:
    """The service.

    Raises:
        Unavailable: the data folder, the key file or the database cannot be used.
    """
    async with open_database_and_key(settings) as (database, _):
        index = passage_index(database)
        await database.write(index.prepare, 0)

        async def forget_folders(user_id: str) -> int:
            return await to_thread.run_sync(removed_folder, settings.workspaces_dir / user_id)

        async def forget_persons(users: Sequence[str], person: str) -> int:
            homes = [settings.workspaces_dir / user for user in users]
            return await to_thread.run_sync(lambda: sum(names.forget_person(home, person) for home in homes))

        yield Erasure(
            database=database,
            indexing=Indexing(index),
            blobs=open_blobs(settings),
            forget_folders=forget_folders,
            forget_persons=forget_persons,
        )


def removed_folder(folder: Path) -> int:
    """How many entries the folder had, which is gone with them; 0 when there is none. Blocks."""
    if not folder.is_dir():
        return 0
    count = sum(1 for _ in folder.iterdir())
    shutil.rmtree(folder)
    return count
