"""All SQL of hosted files."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.tools.hosted.model import HostedFile
from dragoman.domain.tools.hosted.tables import hosted_files

_SHOWN = (
    hosted_files.c.kind,
    hosted_files.c.name,
    hosted_files.c.media_type,
    hosted_files.c.size,
    hosted_files.c.blob,
)


def insert(
    connection: Connection, caller: Caller, digest: str, file: HostedFile, *, now: int, until: int
) -> None:
    """Keeps a file's address."""
    values = {
        "digest": digest,
        "owner_id": caller.user_id,
        "kind": file.kind,
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size,
        "blob": file.blob,
        "created_at": now,
        "expires_at": until,
    }
    connection.execute(sa.insert(hosted_files).values(**values))


def used_bytes(connection: Connection, caller: Caller, now: int) -> int:
    """How much the caller's files that have not expired take up."""
    statement = sa.select(sa.func.coalesce(sa.func.sum(hosted_files.c.size), 0)).where(
        hosted_files.c.owner_id == caller.user_id, hosted_files.c.expires_at > now
    )
    return int(connection.execute(statement).scalar_one())


def by_digest(connection: Connection, digest: str, kind: str, now: int) -> HostedFile | None:
    """The file at a public address in force; the address is the credential, so there is no caller."""
    statement = (
        sa.select(*_SHOWN)
        .join(users, users.c.id == hosted_files.c.owner_id)
        .where(
            hosted_files.c.digest == digest,
            hosted_files.c.kind == kind,
            hosted_files.c.expires_at > now,
            users.c.disabled.is_(False),
        )
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else HostedFile(**row)


def expired(connection: Connection, now: int, limit: int) -> list[str]:
    """Names in the store of files whose time is over, whoever owns them."""
    statement = sa.select(hosted_files.c.blob).where(hosted_files.c.expires_at <= now).limit(limit)
    return list(connection.execute(statement).scalars())


def forget(connection: Connection, blobs: Sequence[str]) -> None:
    """Forgets files by their names in the store."""
    connection.execute(sa.delete(hosted_files).where(hosted_files.c.blob.in_(blobs)))


def known(connection: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of the names in the store that belong to a file."""
    statement = sa.select(hosted_files.c.blob).where(hosted_files.c.blob.in_(blobs))
    return set(connection.execute(statement).scalars())
