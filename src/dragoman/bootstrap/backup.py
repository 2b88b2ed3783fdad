"""Everything a server keeps, in one file while it runs; and a data folder made of such a file."""

import asyncio
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dragoman import __version__
from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.bootstrap.machines import open_blobs
from dragoman.bootstrap.staging import add_folder, alone, emptied
from dragoman.bootstrap.stored import fetch_all, store_all
from dragoman.db import snapshot
from dragoman.db.connect import sqlite_path
from dragoman.db.sqlite_driver import DriverError, open_connection
from dragoman.kit.archive import ArchiveWriter, new_archive, sync, unpack
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.errors import Conflict, InvalidInput, Unavailable
from dragoman.settings import Settings

_KIND, _FORMAT = "backup", 1
_DATABASE = "dragoman.db"
# Their files are never changed once written, or only grow.
_LASTING = ("blobs", "journal")
_WORKSPACES = "workspaces"
_KEY_FILES = ("secret.key", "dragoman.toml")
_STAGE = "backups/under-way"


@dataclass(frozen=True, slots=True)
class BackupDone:
    """What is in the file, or was restored."""

    files: int
    bytes: int
    database: bool
    keys: bool


def backup(settings: Settings, target: Path, *, with_keys: bool, files_only: bool) -> BackupDone:
    """Writes a backup of the data folder to the file, while servers may use it. Blocks.

    Args:
        with_keys: also the root key and the settings file of the data folder.
        files_only: leave the database out.

    Raises:
        InvalidInput: the database is PostgreSQL and ``files_only`` was not asked for.
        Unavailable: something cannot be read or written.
        Conflict: another backup of the data folder is being made.
    """
    if settings.database_url is not None and not files_only:
        raise InvalidInput(
            "The database is PostgreSQL, which has its own backup: run pg_dump, then dragoman backup FILE"
            " --files-only for the files (documents, workspaces, usage journal).",
            code="use_pg_dump",
        )
    data = settings.data_dir
    if not files_only and not sqlite_path(data).is_file():
        raise Unavailable(f"There is no database in {data}.", code="database_missing")
    header: dict[str, object] = {
        "kind": _KIND,
        "format": _FORMAT,
        "version": __version__,
        "made_at": iso(now_ms()),
        "database": not files_only,
        "keys": with_keys,
    }
    with (
        new_archive(target, header) as archive,
        emptied(data / _STAGE, "Another backup of this data folder is being made.") as stage,
    ):
        # What the copy of the database refers to may be deleted before it is read, or have come after the first look.
        _hold(data, stage)
        _fetch_stored(settings, stage)
        if not files_only:
            snapshot.take(sqlite_path(data), stage / _DATABASE)
            archive.add_file(_DATABASE, stage / _DATABASE)
        _hold(data, stage)
        _fetch_stored(settings, stage)
        _add_held(archive, stage)
        add_folder(archive, settings.workspaces_dir, _WORKSPACES)
        for name in _KEY_FILES if with_keys else ():
            if (data / name).is_file():
                archive.add_file(name, data / name)
        return BackupDone(archive.count, archive.size, not files_only, with_keys)


def _fetch_stored(settings: Settings, stage: Path) -> None:
    """Copies what an object store holds; files of the data folder are held by second names instead."""
    if settings.blobs.url is not None:
        asyncio.run(fetch_all(open_blobs(settings), stage / _LASTING[0]))


def _hold(data: Path, stage: Path) -> None:
    """Keeps the lasting files there are under second names, so that they outlast being deleted."""
    for kind in _LASTING:
        for folder, _, names in os.walk(data / kind):
            place = stage / Path(folder).relative_to(data)
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                if not _unfinished(name):
                    _second_name(Path(folder) / name, place / name)


def _unfinished(name: str) -> bool:
    """Whether the blob store has not yet given the file its name."""
    return "#" in name and name.rpartition("#")[2].isdigit()


def _second_name(source: Path, held: Path) -> None:
    try:
        os.link(source, held, follow_symlinks=False)
    except (FileExistsError, FileNotFoundError):
        return
    except OSError:
        # A file system without hard links.
        try:
            if not held.exists() or held.stat().st_size != source.stat().st_size:
                shutil.copyfile(source, held)
        except FileNotFoundError:
            return


def _add_held(archive: ArchiveWriter, stage: Path) -> None:
    for kind in _LASTING:
        for path in sorted((stage / kind).rglob("*")):
            if path.is_file():
                archive.add_file(str(path.relative_to(stage)), path, whole_lines=kind == "journal")


def restore(source: Path, data: Path, blobs: ObjectStoreBlobs | None = None) -> BackupDone:
    """Makes a data folder of a backup: whole, checked and on disk, or not at all. Blocks.

    Args:
        blobs: the object store that gets the documents' files; None leaves them in the data folder. What was put there
            before a restore was broken off belongs to nothing and is overwritten by the next, or removed by the server.

    Raises:
        InvalidInput: the backup is damaged or of a newer form.
        Conflict: the folder is not empty, or another restore into it goes on.
        Unavailable: something cannot be read or written.
    """
    data = data.expanduser().absolute()
    _require_empty(data)
    data.parent.mkdir(parents=True, exist_ok=True)
    part = data.with_name(data.name + ".restoring")
    with alone(data.parent, f"Another restore beside {data} goes on."):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            done = _checked(unpack(source, part), part)
            _require_empty(data)
            if blobs is not None:
                asyncio.run(store_all(blobs, part / _LASTING[0]))
                shutil.rmtree(part / _LASTING[0], ignore_errors=True)
            part.rename(data)
        except OSError as error:
            raise Unavailable(
                f"{data} cannot be put in place: {error.strerror}. It must not be a mount point; restore into a"
                " folder within it.",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    sync(data.parent)
    return done


def _require_empty(data: Path) -> None:
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise Conflict(f"{data} is not an empty folder; nothing was changed.", code="target_not_empty")


def _checked(header: dict[str, object], part: Path) -> BackupDone:
    if header.get("kind", _KIND) != _KIND:
        raise InvalidInput(
            "This is an export of one organisation; put it into a server with: dragoman organisations import FILE",
            code="backup_of_other_kind",
        )
    if header.get("format") != _FORMAT:
        raise InvalidInput("The backup was made by a newer version of Dragoman.", code="backup_too_new")
    with_database = (part / _DATABASE).is_file()
    if with_database:
        try:
            with closing(open_connection(part / _DATABASE)) as connection:
                problem = connection.execute("pragma quick_check(1)").fetchone()[0]
        except DriverError as error:
            problem = str(error)
        if problem != "ok":
            raise InvalidInput(f"The backup's database is damaged: {problem}.", code="backup_damaged")
        sync(part / _DATABASE)
    files = [path for path in part.rglob("*") if path.is_file() and not path.is_symlink()]
    return BackupDone(
        len(files),
        sum(path.stat().st_size for path in files),
        with_database,
        (part / _KEY_FILES[0]).is_file(),
    )
