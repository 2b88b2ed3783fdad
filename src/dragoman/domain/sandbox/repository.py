"""All SQL of public addresses."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.sandbox.tables import shared_files


@dataclass(frozen=True, slots=True)
class SharedFile:
    """Where the file behind an address is."""

    owner_id: str
    workspace: str
    path: str


def insert(
    connection: Connection,
    caller: Caller,
    digest: str,
    *,
    workspace: str,
    path: str,
    expires_at: int,
) -> None:
    """Keeps an address."""
    values = {
        "digest": digest,
        "owner_id": caller.user_id,
        "workspace": workspace,
        "path": path,
        "expires_at": expires_at,
    }
    connection.execute(sa.insert(shared_files).values(**values))


def delete_expired(connection: Connection, caller: Caller, now: int) -> None:
    """Forgets the caller's addresses that have expired."""
    statement = sa.delete(shared_files).where(
        shared_files.c.owner_id == caller.user_id, shared_files.c.expires_at <= now
    )
    connection.execute(statement)


def by_digest(connection: Connection, digest: str, now: int) -> SharedFile | None:
    """The file behind a public address in force; the address is the credential, so there is no caller."""
    statement = (
        sa.select(shared_files.c.owner_id, shared_files.c.workspace, shared_files.c.path)
        .join(users, users.c.id == shared_files.c.owner_id)
        .where(shared_files.c.digest == digest, shared_files.c.expires_at > now, users.c.disabled.is_(False))
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else SharedFile(**row)
