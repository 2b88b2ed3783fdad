"""Sessions of chat clients and the answers under way in them."""

from collections.abc import Collection, Mapping
from dataclasses import fields

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.chat.model import ChatSession, LiveSession
from dragoman.domain.chat.repository.clients import read_client
from dragoman.domain.chat.tables import chat_clients, chat_messages, chat_sessions, chat_turns

_COLUMNS = [chat_sessions.c[one.name] for one in fields(ChatSession)]


def _session(row: sa.RowMapping) -> ChatSession:
    return ChatSession(*(row[column] for column in _COLUMNS))


def insert(connection: Connection, values: Mapping[str, object]) -> ChatSession:
    """Stores a new session."""
    statement = sa.insert(chat_sessions).values(
        **{"token_count": 0, "turn_cancelled": False, "visitor": False, **values}
    )
    key = connection.execute(statement.returning(chat_sessions.c.key)).scalar_one()
    return _session(
        connection.execute(sa.select(*_COLUMNS).where(chat_sessions.c.key == key)).mappings().one()
    )


def by_tag(connection: Connection, client_id: str, tag: str, now: int) -> ChatSession | None:
    """The client's session of that tag that has not expired."""
    statement = (
        sa.select(*_COLUMNS)
        .where(
            chat_sessions.c.client_id == client_id,
            chat_sessions.c.tag == tag,
            chat_sessions.c.expires_at > now,
        )
        .order_by(chat_sessions.c.key.desc())
        .limit(1)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session(row)


def of_owner(connection: Connection, caller: Caller, session_id: str) -> ChatSession | None:
    """A session of one of the caller's clients."""
    statement = (
        sa.select(*_COLUMNS)
        .join(chat_clients, chat_clients.c.id == chat_sessions.c.client_id)
        .where(chat_sessions.c.id == session_id, chat_clients.c.owner_id == caller.user_id)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session(row)


def by_id(connection: Connection, client_id: str, session_id: str, now: int) -> ChatSession | None:
    """The client's session of that id that has not expired."""
    statement = sa.select(*_COLUMNS).where(
        chat_sessions.c.client_id == client_id,
        chat_sessions.c.id == session_id,
        chat_sessions.c.expires_at > now,
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session(row)


def by_keys(connection: Connection, keys: Collection[int]) -> dict[int, ChatSession]:
    """Sessions that were found before."""
    statement = sa.select(*_COLUMNS).where(chat_sessions.c.key.in_(keys))
    return {row["key"]: _session(row) for row in connection.execute(statement).mappings()}


def change(connection: Connection, key: int, values: Mapping[str, object]) -> None:
    """Sets columns of a session that was got before."""
    connection.execute(sa.update(chat_sessions).where(chat_sessions.c.key == key).values(**values))


def select(
    connection: Connection,
    client_id: str,
    now: int,
    *,
    wanted: str | None,
    key_digest: str | None,
    limit: int,
    offset: int,
) -> list[tuple[ChatSession, int]]:
    """The client's sessions that have not expired with their numbers of messages, newest first.

    ``wanted`` is contained in tag, context or id; a session with ``key_digest`` is found, too.
    """
    said = (
        sa.select(sa.func.count())
        .select_from(chat_messages)
        .where(chat_messages.c.session_key == chat_sessions.c.key)
        .scalar_subquery()
        .label("said")
    )
    statement = sa.select(*_COLUMNS, said).where(
        chat_sessions.c.client_id == client_id, chat_sessions.c.expires_at > now
    )
    if wanted:
        statement = statement.where(
            sa.or_(
                chat_sessions.c.tag.icontains(wanted, autoescape=True),
                chat_sessions.c.extra_context.icontains(wanted, autoescape=True),
                chat_sessions.c.id.icontains(wanted, autoescape=True),
                chat_sessions.c.key_digest == key_digest,
            )
        )
    statement = statement.order_by(chat_sessions.c.key.desc()).limit(limit).offset(offset)
    return [(_session(row), row["said"]) for row in connection.execute(statement).mappings()]


def key_of(connection: Connection, client_id: str, session_id: str) -> int | None:
    """The key of a session of a client, which was got for the caller before."""
    statement = sa.select(chat_sessions.c.key).where(
        chat_sessions.c.client_id == client_id, chat_sessions.c.id == session_id
    )
    return connection.execute(statement).scalar_one_or_none()


def delete(connection: Connection, client_id: str, session_id: str) -> bool:
    """Whether the client had the session, which is gone with all that was said."""
    statement = sa.delete(chat_sessions).where(
        chat_sessions.c.client_id == client_id, chat_sessions.c.id == session_id
    )
    return connection.execute(statement).rowcount > 0


def forget(connection: Connection, *, before: int, count: int) -> int:
    """Removes at most so many sessions that expired before then, with all that was said; gives how many. For housekeeping."""
    old = (
        sa.select(chat_sessions.c.key)
        .where(chat_sessions.c.expires_at < before)
        .order_by(chat_sessions.c.expires_at)
        .limit(count)
    )
    return connection.execute(sa.delete(chat_sessions).where(chat_sessions.c.key.in_(old))).rowcount


def live(connection: Connection, key_digest: str, now: int, *, lock: bool = False) -> LiveSession | None:
    """The session behind an access key, which is the credential: there is no caller.

    None when it has expired, its client has nobody who answers, or the owner is locked out. With ``lock`` nobody else changes
    the session before the transaction ends.
    """
    owner = [users.c.number, users.c.email, users.c.role, users.c.organisation_id.label("owner_organisation")]
    statement = (
        sa.select(*_COLUMNS, *chat_clients.c, *owner)
        .join(chat_clients, chat_clients.c.id == chat_sessions.c.client_id)
        .join(users, users.c.id == chat_clients.c.owner_id)
        .where(
            chat_sessions.c.key_digest == key_digest,
            chat_sessions.c.expires_at > now,
            chat_clients.c.agent_id.is_not(None),
            users.c.disabled.is_(False),
        )
    )
    if lock:
        statement = statement.with_for_update(of=chat_sessions)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    client = read_client(row)
    caller = Caller(
        row["owner_organisation"], client.owner_id, row["number"], row["email"], row["role"], visitor=True
    )
    return LiveSession(_session(row), client, caller, str(client.draft.agent_id))


def turns_since(connection: Connection, session_key: int, since: int) -> list[int]:
    """When answers were asked for after that moment, newest first."""
    statement = (
        sa.select(chat_turns.c.at)
        .where(chat_turns.c.session_key == session_key, chat_turns.c.at > since)
        .order_by(chat_turns.c.at.desc())
    )
    return list(connection.execute(statement).scalars())


def insert_turn(connection: Connection, session_key: int, turn_id: str, at: int, *, forget: int) -> None:
    """Notes that an answer is asked for now; notes from before ``forget`` go."""
    connection.execute(
        sa.delete(chat_turns).where(chat_turns.c.session_key == session_key, chat_turns.c.at <= forget)
    )
    connection.execute(sa.insert(chat_turns).values(id=turn_id, session_key=session_key, at=at))


def delete_turn(connection: Connection, turn_id: str) -> None:
    """Takes the note of an answer back."""
    connection.execute(sa.delete(chat_turns).where(chat_turns.c.id == turn_id))


def end_turn(connection: Connection, session_key: int, turn_id: str, *, tokens: int, at: int) -> bool:
    """Whether the answer was still the session's own; no answer is under way any more."""
    statement = sa.update(chat_sessions).where(
        chat_sessions.c.key == session_key, chat_sessions.c.turn_id == turn_id
    )
    values = {
        "turn_id": None,
        "turn_until": None,
        "turn_cancelled": False,
        "token_count": chat_sessions.c.token_count + tokens,
        "last_message_at": at,
    }
    return connection.execute(statement.values(**values)).rowcount > 0


def renew_turns(connection: Connection, turns: Mapping[str, int], until: int) -> None:
    """Lets answers under way, given with the keys of their sessions, hold for longer."""
    statement = sa.update(chat_sessions).where(*_of(turns))
    connection.execute(statement.values(turn_until=until))


def cancel_turn(connection: Connection, session_key: int, now: int) -> None:
    """Asks whoever makes an answer to stop."""
    statement = sa.update(chat_sessions).where(
        chat_sessions.c.key == session_key,
        chat_sessions.c.turn_id.is_not(None),
        chat_sessions.c.turn_until > now,
    )
    connection.execute(statement.values(turn_cancelled=True))


def going_on(connection: Connection, turns: Mapping[str, int]) -> set[str]:
    """Those of the answers, given with their sessions' keys, that are still the sessions' own and that nobody asked to stop."""
    statement = sa.select(chat_sessions.c.turn_id).where(
        *_of(turns), chat_sessions.c.turn_cancelled.is_(False)
    )
    return set(connection.execute(statement).scalars())


def _of(turns: Mapping[str, int]) -> tuple[sa.ColumnElement[bool], ...]:
    return chat_sessions.c.key.in_(turns.values()), chat_sessions.c.turn_id.in_(turns)


def holds(connection: Connection, session_key: int, turn_id: str, now: int) -> bool:
    """Whether the session is still held for the turn by a living process."""
    statement = sa.select(chat_sessions.c.key).where(
        chat_sessions.c.key == session_key,
        chat_sessions.c.turn_id == turn_id,
        chat_sessions.c.turn_until > now,
    )
    return connection.execute(statement).first() is not None
