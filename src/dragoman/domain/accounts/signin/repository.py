"""SQL of signing in."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.signin.model import Session
from dragoman.domain.accounts.signin.tables import failed_sign_ins, passwords, setup_links, sign_ins
from dragoman.domain.accounts.tables import users


def password_of(connection: Connection, user_id: str) -> str | None:
    """The digest of a user's password, None without one."""
    statement = sa.select(passwords.c.digest).where(passwords.c.user_id == user_id)
    return connection.execute(statement).scalar_one_or_none()


def anybody_has_password(connection: Connection) -> bool:
    """Whether any user of the server has one."""
    return connection.execute(sa.select(passwords.c.user_id).limit(1)).first() is not None


def with_password(connection: Connection, organisation_id: str) -> set[str]:
    """Ids of the organisation's users who have one."""
    statement = sa.select(passwords.c.user_id).join(users, users.c.id == passwords.c.user_id)
    return set(connection.execute(statement.where(users.c.organisation_id == organisation_id)).scalars())


def put_password(connection: Connection, user_id: str, digest: str, at: int) -> None:
    """Sets or replaces a user's password."""
    statement = upsert(connection.dialect.name, passwords).values(
        user_id=user_id, digest=digest, changed_at=at
    )
    changed = {"digest": digest, "changed_at": at}
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changed))


def insert_link(connection: Connection, values: Mapping[str, object], now: int) -> None:
    """Stores a setup link, and drops those that are over."""
    connection.execute(sa.delete(setup_links).where(setup_links.c.expires_at <= now))
    connection.execute(sa.insert(setup_links).values(**values))


def link_user(connection: Connection, digest: bytes, now: int) -> str | None:
    """The id of the user whom a link that holds is for."""
    statement = sa.select(setup_links.c.user_id).where(
        setup_links.c.digest == digest, setup_links.c.expires_at > now
    )
    return connection.execute(statement).scalar_one_or_none()


def take_link(connection: Connection, digest: bytes, now: int) -> str | None:
    """Uses a link up, and with it the user's others; the user's id, None when the link does not hold."""
    user_id = link_user(connection, digest, now)
    if user_id is None:
        return None
    # Of two who use it at once, one finds it gone.
    if connection.execute(sa.delete(setup_links).where(setup_links.c.digest == digest)).rowcount == 0:
        return None
    connection.execute(sa.delete(setup_links).where(setup_links.c.user_id == user_id))
    return user_id


def insert_session(connection: Connection, values: Mapping[str, object], now: int) -> None:
    """Stores a session, and drops those that are over."""
    connection.execute(sa.delete(sign_ins).where(sign_ins.c.expires_at <= now))
    connection.execute(sa.insert(sign_ins).values(**values))


def session(connection: Connection, digest: bytes) -> Session | None:
    """The session of a secret."""
    statement = sa.select(*_columns()).where(sign_ins.c.digest == digest)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Session(**row)


def sessions_of(connection: Connection, caller: Caller, *, now: int, unused_since: int) -> list[Session]:
    """The caller's sessions that hold, the one used last first."""
    statement = sa.select(*_columns()).where(
        sign_ins.c.user_id == caller.user_id,
        sign_ins.c.expires_at > now,
        sign_ins.c.seen_at > unused_since,
    )
    rows = connection.execute(statement.order_by(sign_ins.c.seen_at.desc(), sign_ins.c.id)).mappings()
    return [Session(**row) for row in rows]


def set_seen(connection: Connection, session_id: str, at: int) -> None:
    """Notes that a session was used."""
    connection.execute(sa.update(sign_ins).where(sign_ins.c.id == session_id).values(seen_at=at))


def delete_session(connection: Connection, caller: Caller, session_id: str) -> bool:
    """Ends one of the caller's sessions; False when there is none."""
    mine = sa.and_(sign_ins.c.id == session_id, sign_ins.c.user_id == caller.user_id)
    return connection.execute(sa.delete(sign_ins).where(mine)).rowcount > 0


def delete_sessions(connection: Connection, user_id: str, *, but: str | None = None) -> None:
    """Ends a user's sessions, or all but one."""
    connection.execute(sa.delete(sign_ins).where(sign_ins.c.user_id == user_id, sign_ins.c.id != (but or "")))


def failures_due(connection: Connection, subjects: Sequence[str]) -> dict[str, int]:
    """When the failures of each are forgotten, where there are any."""
    statement = sa.select(failed_sign_ins.c.subject, failed_sign_ins.c.due).where(
        failed_sign_ins.c.subject.in_(subjects)
    )
    return {row.subject: row.due for row in connection.execute(statement)}


def add_failure(connection: Connection, subject: str, *, now: int, period: int) -> int:
    """Counts a failure; when all failures of this subject are forgotten."""
    due = failed_sign_ins.c.due
    statement = upsert(connection.dialect.name, failed_sign_ins).values(subject=subject, due=now + period)
    longer = {"due": sa.case((due > now, due), else_=now) + period}
    connection.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=longer))
    found = sa.select(failed_sign_ins.c.due).where(failed_sign_ins.c.subject == subject)
    return int(connection.execute(found).scalar_one())


def forget_failures(connection: Connection, now: int, *, limit: int) -> int:
    """Drops what is forgotten by now; gives how many rows that were."""
    old = sa.select(failed_sign_ins.c.subject).where(failed_sign_ins.c.due <= now).limit(limit)
    return connection.execute(sa.delete(failed_sign_ins).where(failed_sign_ins.c.subject.in_(old))).rowcount


def _columns() -> Sequence[sa.ColumnElement[object]]:
    return [column for column in sign_ins.c if column.name != "digest"]
