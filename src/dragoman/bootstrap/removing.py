"""Taking an organisation off the server, for a command; also while the server runs."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from anyio import to_thread

from dragoman.bootstrap.accounts import open_database_and_key
from dragoman.bootstrap.channels import channel_adapters
from dragoman.bootstrap.erasing import removed_folder
from dragoman.bootstrap.machines import check_shared, open_blobs
from dragoman.bootstrap.retrieval import passage_index
from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit.chain import Event
from dragoman.domain.accounts.audit.service import AuditLog
from dragoman.domain.accounts.audit.shown import shown
from dragoman.domain.accounts.operators import Operators
from dragoman.domain.accounts.tenants.service import Organisation, TenantsService
from dragoman.domain.chat.channels.parting import Parting
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.moving.removal.service import Removal, Removed
from dragoman.kit.archive import sync
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import Conflict, Unavailable
from dragoman.settings import Settings

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_LINES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of an organisation that may be removed. ``home``: whose audit will tell of it."""

    organisation: Organisation
    home: str
    rows: dict[str, int]
    files: int


@dataclass(frozen=True, slots=True)
class OrganisationRemoval:
    """Looks at organisations and removes them."""

    removal: Removal
    settings: Settings
    database: Database

    async def look(self, name: str) -> Found:
        """What there is of the organisation of that name or id.

        Raises:
            NotFound: there is no such organisation.
            Conflict: the server cannot be without it.
        """
        tenants = TenantsService(self.database)
        found = await tenants.organisation(name)
        home = await Operators(self.database, self.settings.console.operators).home()
        first = self.settings.bootstrap.email
        user = None if first is None else await self.database.read(accounts.user_by_email, first.lower())
        if home is None:
            raise Conflict(
                "The organisation that console.operators names is not there: nobody would look after the server.",
                code="no_operators",
            )
        if found.id == home or (user is not None and user.organisation_id == found.id):
            raise Conflict(
                f"{found.name} runs this server: its administrators look after it, or bootstrap.email names one of its"
                " users. Name another with console.operators and bootstrap.email first.",
                code="organisation_runs_server",
            )
        rows, files = await self.removal.look(found.id)
        return Found(found, home, rows, files)

    async def remove(self, found: Found, audit: Path | None) -> Removed:
        """Removes it; its audit goes into the file before, when there is one.

        Raises:
            Conflict: the file holds something else.
            Unavailable: something cannot be reached or written; ask again.
        """
        if audit is None:
            return await self.removal.remove(found.organisation, home=found.home, keep=None)
        await to_thread.run_sync(_check, audit, found.organisation.id)

        async def keep(events: AsyncIterator[Event]) -> None:
            await _write(audit, events)

        return await self.removal.remove(found.organisation, home=found.home, keep=keep)


@asynccontextmanager
async def open_removal(settings: Settings) -> AsyncIterator[OrganisationRemoval]:
    """The service.

    Raises:
        Unavailable: the data folder, the key file or the database cannot be used.
    """
    async with open_database_and_key(settings) as (database, root), AsyncExitStack() as stack:
        await check_shared(settings, database, root)
        index = passage_index(database)
        await database.write(index.prepare, 0)

        async def forget_folders(user_id: str) -> int:
            return await to_thread.run_sync(removed_folder, settings.workspaces_dir / user_id)

        removal = Removal(
            database=database,
            indexing=Indexing(index),
            blobs=open_blobs(settings),
            audit=AuditLog(database, root.derive("audit")),
            part=_parting(settings, database, root, stack).of,
            forget_folders=forget_folders,
        )
        yield OrganisationRemoval(removal, settings, database)


def _parting(settings: Settings, database: Database, root: RootKey, stack: AsyncExitStack) -> Parting:
    policy = EgressPolicy.parse(settings.egress.allow, offline=settings.offline)
    clients = ChatClientsService(database, root.sealer("chat"))
    adapters = channel_adapters(settings, policy, stack)
    return Parting(database, clients, Places(database, clients, adapters, root.derive("channel-hooks")))


def _check(path: Path, organisation_id: str) -> None:
    """Returns when the file may be written: it is not there, or holds what a removal that was broken off wrote."""
    try:
        with path.open("rb") as file:
            first = file.readline()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.") from error
    if f'"organisation":"{organisation_id}"'.encode() not in first:
        raise Conflict(
            f"{path} is there already and holds something else.", code="file_exists", param="audit"
        )


async def _write(path: Path, events: AsyncIterator[Event]) -> None:
    """Writes the events, one a line, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        file = await to_thread.run_sync(lambda: os.fdopen(os.open(part, _NEW, 0o600), "wb"))
        try:
            lines: list[bytes] = []
            async for event in events:
                lines.append(orjson.dumps(shown(event)) + b"\n")
                if len(lines) == _LINES_AT_ONCE:
                    await to_thread.run_sync(file.writelines, lines)
                    lines = []
            await to_thread.run_sync(file.writelines, lines)
        finally:
            await to_thread.run_sync(file.close)
        await to_thread.run_sync(_put, part, path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.") from error


def _put(part: Path, path: Path) -> None:
    sync(part)
    part.replace(path)
    sync(path.parent)
