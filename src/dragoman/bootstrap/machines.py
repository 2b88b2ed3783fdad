"""What the processes of one server share: its files, its root key, its workspaces."""

from contextlib import suppress
from pathlib import Path

import structlog
from anyio import to_thread

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs, local_blobs, remote_blobs
from dragoman.db.database import Database
from dragoman.db.facts import fact_or
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import Unavailable
from dragoman.kit.ids import uuid7
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_KEY_FACT, _WORKSPACES_FACT = "root_key", "workspaces"
_MARK = ".shared-by"
_DRAIN_SECONDS = 5.0


def open_blobs(settings: Settings) -> ObjectStoreBlobs:
    """The store of files that the settings name.

    Raises:
        InvalidInput: the settings do not fit the store.
    """
    blobs = settings.blobs
    if blobs.url is None:
        return local_blobs(settings.data_dir / "blobs")
    options = {name: value.get_secret_value() for name, value in blobs.options.items()}
    if blobs.url.startswith(("s3://", "s3a://")):
        options.setdefault("region", blobs.region)
        if blobs.endpoint is not None:
            options["endpoint"] = blobs.endpoint
        if blobs.access_key_id is not None:
            options["access_key_id"] = blobs.access_key_id
        if blobs.secret_access_key is not None:
            options["secret_access_key"] = blobs.secret_access_key.get_secret_value()
    return remote_blobs(blobs.url, options)


async def check_shared(settings: Settings, database: Database, root_key: RootKey) -> None:
    """Returns when this process fits to the others of the database; warns of what they do not share.

    Raises:
        Unavailable: the root key is another than that of the database's other processes.
    """
    if settings.database_url is None:
        return
    fingerprint = root_key.derive("fingerprint").hex()[:32]
    if await database.write(fact_or, _KEY_FACT, fingerprint) != fingerprint:
        raise Unavailable(
            f"The root key in {settings.key_file} is not the one that this database is used with. Give every machine the"
            " same key file (machines.key_file). When that key is lost for good, delete the row root_key of the table"
            " facts; what was sealed with it must then be set again.",
            code="other_root_key",
        )
    await _check_workspaces(settings, database)


async def _check_workspaces(settings: Settings, database: Database) -> None:
    """One folder's mark is in the database; another folder's mark means that files are not the same everywhere."""
    folder = settings.workspaces_dir
    mine = await to_thread.run_sync(_mark_of, folder)
    known = await database.write(fact_or, _WORKSPACES_FACT, mine)
    if known != mine:
        log.warning(
            "machines.workspaces_not_shared",
            folder=str(folder),
            means="files of shells and agents are on the machine that made them only",
            setting="machines.workspaces_dir",
        )


def _mark_of(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    with suppress(FileExistsError), mark.open("x", encoding="ascii") as file:
        file.write(uuid7())
    return mark.read_text("ascii")


def drain_seconds(settings: Settings) -> float:
    """How long a server that is told to stop still takes requests: others can take over only where the database is shared."""
    wanted = settings.machines.drain_seconds
    if wanted is not None:
        return wanted
    return 0.0 if settings.database_url is None else _DRAIN_SECONDS
