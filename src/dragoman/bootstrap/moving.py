"""One organisation in one file, and a file's organisation in a server; both also while the server runs."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from dragoman import __version__
from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.bootstrap.accounts import open_database_and_key
from dragoman.bootstrap.machines import check_shared, open_blobs
from dragoman.bootstrap.retrieval import passage_index
from dragoman.bootstrap.staging import add_folder, emptied
from dragoman.bootstrap.stored import fetch_some, forget, store_all
from dragoman.db.database import Database
from dragoman.db.migrations import HEAD
from dragoman.domain.accounts.audit.record import record_by_operator
from dragoman.domain.accounts.audit.service import AuditLog
from dragoman.domain.accounts.tenants.service import TenantsService
from dragoman.domain.moving.arriving import Arrived, Arriving
from dragoman.domain.moving.leaving import Leaving, Left
from dragoman.domain.moving.sealed import Envelope, Secrets
from dragoman.kit.archive import new_archive, unpack
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.crypto import RootKey
from dragoman.kit.digest import file_digest
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

_KIND, _FORMAT = "organisation", 1
_TOLD = "organisation.json"
_BLOBS, _WORKSPACES = "blobs", "workspaces"
_LEAVING, _ARRIVING = "exports/under-way", "imports/under-way"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in the file. ``enter_again``: what is not, and is to be entered anew; ``lost``: files that were not there."""

    organisation: str
    rows: dict[str, int]
    vectors: int
    files: int
    bytes: int
    sha256: str
    enter_again: list[str]
    lost: list[str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What was put into the server. ``embedders``: who made the vectors; ``renumbered``: what has other numbers here."""

    organisation_id: str
    organisation: str
    rows: dict[str, int]
    vectors: int
    files: int
    embedders: list[str]
    renumbered: list[str]
    enter_again: list[str]


@dataclass(frozen=True, slots=True)
class _Server:
    """What is opened for a move."""

    database: Database
    root: RootKey
    blobs: ObjectStoreBlobs


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[_Server]:
    async with open_database_and_key(settings) as (database, root):
        await check_shared(settings, database, root)
        yield _Server(database, root, open_blobs(settings))


def export_organisation(
    settings: Settings, name: str, target: Path, *, passphrase: str | None, with_keys: bool = True
) -> Exported:
    """Writes everything of an organisation to a file, whole or not at all. Blocks.

    Args:
        name: the organisation's name or id.
        passphrase: what secrets are sealed under in the file; without one they are left out.
        with_keys: API keys and passwords as well, as the digests that the server has of them.

    Raises:
        NotFound: there is no such organisation.
        Conflict: another export of the data folder goes on.
        Unavailable: something cannot be read or written.
    """
    envelope = None if passphrase is None else Envelope(passphrase)
    header: dict[str, object] = {
        "kind": _KIND,
        "format": _FORMAT,
        "version": __version__,
        "schema": HEAD,
        "made_at": iso(now_ms()),
    }
    problem = "Another export of this data folder goes on."
    with emptied(settings.data_dir / _LEAVING, problem) as stage, new_archive(target, header) as archive:
        told, left, lost = asyncio.run(_written(settings, name, stage, envelope, with_keys=with_keys))
        (stage / _TOLD).write_text(json.dumps(told), "utf-8")
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            archive.add_file(path.relative_to(stage).as_posix(), path)
        for person in left.people:
            add_folder(archive, settings.workspaces_dir / person, f"{_WORKSPACES}/{person}")
        files, size = archive.count, archive.size
    rows = {table: counts["rows"] for table, counts in left.tables.items() if counts["rows"]}
    vectors = sum(one["count"] for one in left.embedders)
    return Exported(told["name"], rows, vectors, files, size, file_digest(target), left.enter_again, lost)


async def _written(
    settings: Settings, name: str, stage: Path, envelope: Envelope | None, *, with_keys: bool
) -> tuple[dict[str, Any], Left, list[str]]:
    async with _opened(settings) as server:
        found = await TenantsService(server.database).organisation(name)
        (chain,) = await AuditLog(server.database, server.root.derive("audit")).verify(found.id)
        # Before anything leaves, so that nothing leaves without it; it goes along.
        sealed = envelope is not None
        await server.database.write(
            record_by_operator, found.id, "organisation.exported", found.id, keys=with_keys, secrets=sealed
        )
        secrets = Secrets(server.root, envelope)
        leaving = Leaving(index=passage_index(server.database), secrets=secrets, with_keys=with_keys)
        left = await server.database.read(leaving.write, found.id, stage)
        lost = await fetch_some(server.blobs, left.files, stage / _BLOBS)
    problem = chain.problem
    told: dict[str, Any] = {
        "organisation_id": found.id,
        "name": found.name,
        "created_at": found.created_at,
        "audit": "whole" if problem is None else f"broken at {problem.number}: {problem.kind}",
        "envelope": None if envelope is None else envelope.parameters,
        "lost": lost,
        **asdict(left),
    }
    return told, left, lost


def import_organisation(
    settings: Settings,
    source: Path,
    *,
    passphrase: str | None,
    name: str | None = None,
    without_secrets: bool = False,
) -> Imported:
    """Puts the organisation of a file into the server, whole or not at all. Blocks.

    Args:
        passphrase: what the file's secrets are sealed under.
        name: what it is called here; None: as there.
        without_secrets: do without the secrets that are in the file.

    Raises:
        InvalidInput: the file is damaged, of a newer version or no export, or the passphrase is missing or wrong.
        Conflict: something of it is on the server already.
        Unavailable: something cannot be read or written.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with emptied(settings.data_dir / _ARRIVING, "Another import into this data folder goes on.") as stage:
        header = unpack(source, stage)
        _check(header)
        _check_links(stage)
        told = cast("dict[str, Any]", json.loads((stage / _TOLD).read_text("utf-8")))
        envelope = _envelope(told, passphrase, without_secrets=without_secrets)
        origin = {"version": header["version"], "made_at": header["made_at"], "audit": told["audit"]}
        origin["file_sha256"] = file_digest(source)
        files = sum(1 for path in (stage / _BLOBS).rglob("*") if path.is_file())
        arrived = asyncio.run(_arrived(settings, stage, told, envelope, name, origin))
    again = list(told["enter_again"])
    if told["envelope"] is not None and envelope is None:
        again.append("all secrets: those of users, agents, skills, tool servers and integrations")
    return Imported(
        arrived.organisation_id,
        arrived.name,
        {table: count for table, count in arrived.rows.items() if count},
        arrived.vectors,
        files,
        [one["name"] for one in told["embedders"] if one["count"]],
        arrived.renumbered,
        again,
    )


def _check(header: dict[str, object]) -> None:
    if header.get("kind") != _KIND:
        raise InvalidInput(
            "This is a backup of a whole server; put it into a data folder with: dragoman restore FILE --data DIR",
            code="export_of_other_kind",
        )
    if header.get("format") != _FORMAT or str(header.get("schema")) > HEAD:
        raise InvalidInput(
            f"The export was made by a newer version of Dragoman ({header.get('version')}, schema"
            f" {header.get('schema')}; here {__version__}, schema {HEAD}): upgrade this server first.",
            code="export_too_new",
        )


def _check_links(stage: Path) -> None:
    """Only workspaces have links; anywhere else one would lead to files of this machine."""
    for place, folders, names in os.walk(stage):
        for path in (Path(place) / name for name in (*folders, *names)):
            if path.is_symlink() and path.relative_to(stage).parts[0] != _WORKSPACES:
                raise InvalidInput(
                    f"The archive has a link where a file should be: {path.name}.", code="export_damaged"
                )


def _envelope(told: dict[str, Any], passphrase: str | None, *, without_secrets: bool) -> Envelope | None:
    if told["envelope"] is None or without_secrets:
        return None
    if passphrase is None:
        raise InvalidInput(
            "There are secrets in the export: give its passphrase, or ask to do without them.",
            code="passphrase_needed",
            param="passphrase",
        )
    return Envelope(passphrase, told["envelope"])


async def _arrived(
    settings: Settings,
    stage: Path,
    told: dict[str, Any],
    envelope: Envelope | None,
    name: str | None,
    origin: dict[str, Any],
) -> Arrived:
    async with _opened(settings) as server:
        arriving = Arriving(
            index=passage_index(server.database),
            secrets=Secrets(server.root, envelope),
            folder=stage,
            told=told,
            name=name,
            at=now_ms(),
            files=_files(stage / _BLOBS),
        )
        await server.database.read(arriving.check)
        await server.database.read(arriving.check_files)
        homes = _Homes(stage / _WORKSPACES, settings.workspaces_dir, arriving.users())
        writing: _Writing | None = None
        try:
            # Nothing names them until the transaction is done; what a killed import leaves, the next one replaces.
            await store_all(server.blobs, stage / _BLOBS)
            homes.put()
            writing = TaskOwner().start(
                _outcome(server.database.write(arriving.store, origin)), name="import"
            )
            return await _ended(writing)
        except BaseException:
            if writing is None or await _came_to_nothing(writing, server.database, arriving):
                homes.remove()
                await forget(server.blobs, stage / _BLOBS)
            raise


_Writing = asyncio.Task[Arrived | DragomanError]


async def _outcome(writing: Awaitable[Arrived]) -> Arrived | DragomanError:
    try:
        return await writing
    except DragomanError as error:
        return error


async def _ended(writing: _Writing) -> Arrived:
    """What the transaction gives; nobody who stops waiting for it stops it."""
    while not writing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({writing})
    outcome = writing.result()
    if isinstance(outcome, DragomanError):
        raise outcome
    return outcome


async def _came_to_nothing(writing: _Writing, database: Database, arriving: Arriving) -> bool:
    """Whether it is certain that the transaction left nothing: a commit may have come through whose answer was lost."""
    if writing.cancelled():
        return False
    try:
        return not await database.read(arriving.is_here)
    except DragomanError:
        return False


def _files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


class _Homes:
    """The folders of users' workspaces on their way. Everything blocks."""

    def __init__(self, source: Path, target: Path, users: Collection[str]) -> None:
        self._users = users
        self._source = source
        self._target = target
        self._put: list[Path] = []

    def put(self) -> None:
        """Puts every folder in place, over what is left of an import that was broken off."""
        for home in sorted(self._source.iterdir()) if self._source.is_dir() else ():
            if home.name not in self._users:
                raise InvalidInput(
                    "The archive has a workspace of somebody who is not in it.", code="export_damaged"
                )
            place = self._target / home.name
            shutil.rmtree(place, ignore_errors=True)
            self._put.append(place)
            shutil.copytree(home, place, symlinks=True)

    def remove(self) -> None:
        """Removes what was put."""
        for place in self._put:
            shutil.rmtree(place, ignore_errors=True)
