"""Conversations by what was said in them."""

from collections.abc import Sequence
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.model import ChatMessage, ChatSession
from dragoman.domain.chat.repository import messages, sessions
from dragoman.domain.chat.tables import chat_clients, chat_messages, chat_sessions

Row: TypeAlias = tuple[ChatSession, str, ChatMessage]


def select(
    connection: Connection,
    caller: Caller,
    words: Sequence[str],
    now: int,
    *,
    client_id: str | None,
    standing: str | None,
    limit: int,
    offset: int,
) -> list[Row]:
    """Sessions of the caller's clients with the client's name and the latest message that has all the words, latest first."""
    latest = sa.func.max(chat_messages.c.key).label("latest")
    matching = (
        sa.select(latest)
        .join(chat_sessions, chat_sessions.c.key == chat_messages.c.session_key)
        .join(chat_clients, chat_clients.c.id == chat_sessions.c.client_id)
        .where(
            chat_clients.c.owner_id == caller.user_id,
            *(chat_messages.c.search_text.contains(word, autoescape=True) for word in words),
            *_standing(standing, now),
        )
        .group_by(chat_messages.c.session_key)
        .order_by(latest.desc())
        .limit(limit)
        .offset(offset)
    )
    if client_id is not None:
        matching = matching.where(chat_sessions.c.client_id == client_id)
    keys = list(connection.execute(matching).scalars())
    said = messages.by_keys(connection, keys)
    owners = sessions.by_keys(connection, {key for key, _ in said.values()})
    asked = sa.select(chat_clients.c.id, chat_clients.c.name).where(
        chat_clients.c.id.in_({session.client_id for session in owners.values()})
    )
    names = {row["id"]: str(row["name"]) for row in connection.execute(asked).mappings()}
    rows: list[Row] = []
    for key in keys:
        session_key, message = said[key]
        session = owners[session_key]
        rows.append((session, names[session.client_id], message))
    return rows


def _standing(wanted: str | None, now: int) -> list[sa.ColumnElement[bool]]:
    alive, held = chat_sessions.c.expires_at > now, chat_sessions.c.held_until > now
    match wanted:
        case "over":
            return [sa.not_(alive)]
        case "held":
            return [alive, held]
        case "open":
            return [alive, sa.or_(chat_sessions.c.held_until.is_(None), sa.not_(held))]
        case _:
            return []
