"""All SQL of organisations, users, keys, tokens' exchanges and secrets."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.facts import hold as hold
from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.model import ActiveKey, ApiKey, KeySnapshot, Login, User
from dragoman.domain.accounts.tables import api_keys, logins, organisations, secrets, users, versions
from dragoman.kit.jsontypes import JsonValue

KEYS_TOPIC = "keys"

_USER_COLUMNS = (
    users.c.number,
    users.c.id,
    users.c.organisation_id,
    organisations.c.name.label("organisation"),
    users.c.email,
    users.c.name,
    users.c.role,
    users.c.disabled,
    users.c.created_at,
)
_KEY_COLUMNS = (
    api_keys.c.id,
    api_keys.c.user_id,
    users.c.email,
    api_keys.c.label,
    api_keys.c.last_six,
    api_keys.c.kind,
    api_keys.c.expires_at,
    api_keys.c.used_at,
    api_keys.c.revoked_at,
    api_keys.c.created_at,
)


def versions_of_topics(connection: Connection) -> dict[str, int]:
    """The version of every topic that was ever raised."""
    rows = connection.execute(sa.select(versions.c.topic, versions.c.version))
    return {row.topic: row.version for row in rows}


def version_of(connection: Connection, topic: str) -> int:
    """The version of one topic, 0 when it was never raised."""
    statement = sa.select(versions.c.version).where(versions.c.topic == topic)
    return connection.execute(statement).scalar() or 0


def raise_version(connection: Connection, topic: str) -> int:
    """Marks the topic as changed; gives its version from now on."""
    statement = upsert(connection.dialect.name, versions).values(topic=topic, version=1)
    raised = statement.on_conflict_do_update(
        index_elements=[versions.c.topic], set_={"version": versions.c.version + 1}
    )
    return connection.execute(raised.returning(versions.c.version)).scalar_one()


def _users() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(*_USER_COLUMNS).join(organisations, organisations.c.id == users.c.organisation_id)


def all_users(connection: Connection) -> list[User]:
    """Every user of the server, oldest first. For the operator."""
    return [User(**row) for row in connection.execute(_users().order_by(users.c.number)).mappings()]


def user_by_email(connection: Connection, email: str) -> User | None:
    """The user with this e-mail, which is stored in lower case. For the operator and for signing in."""
    row = connection.execute(_users().where(users.c.email == email)).mappings().one_or_none()
    return None if row is None else User(**row)


def user_by_id(connection: Connection, user_id: str) -> User | None:
    """The user of this id. For signing in."""
    row = connection.execute(_users().where(users.c.id == user_id)).mappings().one_or_none()
    return None if row is None else User(**row)


def user_of(connection: Connection, caller: Caller) -> User | None:
    """The caller's own user."""
    row = connection.execute(_users().where(users.c.id == caller.user_id)).mappings().one_or_none()
    return None if row is None else User(**row)


def organisation_id(connection: Connection, name: str) -> str | None:
    """The id of the organisation of that name. For the operator."""
    return connection.execute(sa.select(organisations.c.id).where(organisations.c.name == name)).scalar()


def has_users(connection: Connection, organisation: str) -> bool:
    """Whether anybody belongs to the organisation. For the operator."""
    statement = sa.select(users.c.number).where(users.c.organisation_id == organisation).limit(1)
    return connection.execute(statement).scalar() is not None


def insert_organisation(connection: Connection, values: Mapping[str, object]) -> None:
    """Stores a new organisation."""
    connection.execute(sa.insert(organisations).values(**values))


def insert_user(connection: Connection, values: Mapping[str, object]) -> None:
    """Stores a new user."""
    connection.execute(sa.insert(users).values(**values))


def set_disabled(connection: Connection, email: str, disabled: bool) -> bool:
    """Whether there is such a user, who now is or is not disabled. For the operator."""
    statement = sa.update(users).where(users.c.email == email).values(disabled=disabled)
    return connection.execute(statement).rowcount > 0


def salt(connection: Connection, caller: Caller) -> str | None:
    """What signs calls to the caller's own servers."""
    return connection.execute(sa.select(users.c.salt).where(users.c.id == caller.user_id)).scalar()


def set_salt(connection: Connection, caller: Caller, value: str) -> None:
    """Replaces the caller's salt."""
    connection.execute(sa.update(users).where(users.c.id == caller.user_id).values(salt=value))


def set_user_name(connection: Connection, caller: Caller, name: str) -> None:
    """Renames the caller's own account."""
    connection.execute(sa.update(users).where(users.c.id == caller.user_id).values(name=name))


def user_settings(connection: Connection, caller: Caller) -> dict[str, JsonValue]:
    """The caller's account switches."""
    stored = connection.execute(sa.select(users.c.settings).where(users.c.id == caller.user_id)).scalar()
    return dict(stored or {})


def set_user_settings(connection: Connection, caller: Caller, settings: Mapping[str, JsonValue]) -> None:
    """Replaces the caller's account switches."""
    statement = sa.update(users).where(users.c.id == caller.user_id).values(settings=dict(settings))
    connection.execute(statement)


def insert_key(connection: Connection, values: Mapping[str, object]) -> None:
    """Stores a new key."""
    connection.execute(sa.insert(api_keys).values(**values))


def key_by_digest(connection: Connection, digest: bytes) -> ApiKey | None:
    """The key of that digest, revoked or not. For the operator's given key."""
    statement = sa.select(*_KEY_COLUMNS).join(users, users.c.id == api_keys.c.user_id)
    row = connection.execute(statement.where(api_keys.c.digest == digest)).mappings().one_or_none()
    return None if row is None else ApiKey(**row)


def keys_of(connection: Connection, caller: Caller) -> list[ApiKey]:
    """The caller's keys that are not revoked, oldest first."""
    statement = (
        sa.select(*_KEY_COLUMNS)
        .join(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.user_id == caller.user_id, api_keys.c.revoked_at.is_(None))
    )
    return [ApiKey(**row) for row in connection.execute(statement.order_by(api_keys.c.id)).mappings()]


def all_keys(connection: Connection, email: str | None) -> list[ApiKey]:
    """Every key of the server or of one user, revoked ones too, oldest first. For the operator."""
    statement = sa.select(*_KEY_COLUMNS).join(users, users.c.id == api_keys.c.user_id)
    if email is not None:
        statement = statement.where(users.c.email == email)
    return [ApiKey(**row) for row in connection.execute(statement.order_by(api_keys.c.id)).mappings()]


def keys_of_organisation(connection: Connection, organisation_id: str) -> list[ApiKey]:
    """The keys of everybody in the organisation that are not revoked, oldest first."""
    statement = (
        sa.select(*_KEY_COLUMNS)
        .join(users, users.c.id == api_keys.c.user_id)
        .where(users.c.organisation_id == organisation_id, api_keys.c.revoked_at.is_(None))
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [ApiKey(**row) for row in connection.execute(statement).mappings()]


def revoke_key(connection: Connection, caller: Caller, key_id: str, at: int) -> bool:
    """Whether the caller had such a key in force, which is now revoked."""
    return _revoke(connection, key_id, at, api_keys.c.user_id == caller.user_id)


def revoke_any_key(connection: Connection, key_id: str, at: int) -> bool:
    """Whether anybody had such a key in force, which is now revoked. For the operator."""
    return _revoke(connection, key_id, at, sa.true())


def organisation_of_key(connection: Connection, key_id: str) -> str:
    """The organisation whose user has or had this key. For the operator."""
    statement = sa.select(users.c.organisation_id).join(api_keys, api_keys.c.user_id == users.c.id)
    return connection.execute(statement.where(api_keys.c.id == key_id)).scalar_one()


def _revoke(connection: Connection, key_id: str, at: int, scope: sa.ColumnElement[bool]) -> bool:
    statement = sa.update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None), scope)
    return connection.execute(statement.values(revoked_at=at)).rowcount > 0


def set_used(connection: Connection, used: Mapping[str, int]) -> None:
    """Notes when keys were last used; an earlier time than the noted one changes nothing."""
    if not used:
        return
    statement = (
        sa.update(api_keys)
        .where(
            api_keys.c.id == sa.bindparam("key_id"),
            sa.func.coalesce(api_keys.c.used_at, 0) < sa.bindparam("at"),
        )
        .values(used_at=sa.bindparam("at"))
    )
    connection.execute(statement, [{"key_id": key_id, "at": at} for key_id, at in used.items()])


def key_snapshot(connection: Connection) -> KeySnapshot:
    """All users and keys in force, for the key table."""
    found = [
        User(**row) for row in connection.execute(_users().where(users.c.disabled.is_(False))).mappings()
    ]
    statement = (
        sa.select(
            api_keys.c.id, api_keys.c.user_id, api_keys.c.digest, api_keys.c.kind, api_keys.c.expires_at
        )
        .join(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.revoked_at.is_(None), users.c.disabled.is_(False))
    )
    keys = [ActiveKey(**row) for row in connection.execute(statement).mappings()]
    return KeySnapshot(tuple(found), tuple(keys))


def insert_login(connection: Connection, values: Mapping[str, object]) -> None:
    """Stores an attempt to sign in."""
    connection.execute(sa.insert(logins).values(**values))


def logins_of(connection: Connection, caller: Caller, limit: int) -> list[Login]:
    """The caller's latest attempts to sign in, latest first."""
    columns = (logins.c.number, logins.c.address, logins.c.kind, logins.c.succeeded, logins.c.at)
    statement = sa.select(*columns).where(logins.c.user_id == caller.user_id)
    rows = connection.execute(statement.order_by(logins.c.number.desc()).limit(limit)).mappings()
    return [Login(**row) for row in rows]


def put_secret(connection: Connection, caller: Caller, name: str, sealed: bytes, at: int) -> None:
    """Stores or replaces one of the caller's secrets."""
    statement = upsert(connection.dialect.name, secrets).values(
        user_id=caller.user_id, name=name, sealed=sealed, created_at=at
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[secrets.c.user_id, secrets.c.name], set_={"sealed": sealed, "created_at": at}
        )
    )


def secret(connection: Connection, caller: Caller, name: str) -> bytes | None:
    """One of the caller's secrets, sealed."""
    statement = sa.select(secrets.c.sealed).where(secrets.c.user_id == caller.user_id, secrets.c.name == name)
    return connection.execute(statement).scalar()


def secret_names(connection: Connection, caller: Caller) -> list[str]:
    """The names of the caller's secrets, sorted."""
    statement = sa.select(secrets.c.name).where(secrets.c.user_id == caller.user_id).order_by(secrets.c.name)
    return list(connection.execute(statement).scalars())


def delete_secret(connection: Connection, caller: Caller, name: str) -> bool:
    """Whether the caller had such a secret, which is now gone."""
    statement = sa.delete(secrets).where(secrets.c.user_id == caller.user_id, secrets.c.name == name)
    return connection.execute(statement).rowcount > 0
