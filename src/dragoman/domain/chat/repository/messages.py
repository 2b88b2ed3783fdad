"""What was said in a session that was got before."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.tables import chat_messages
from dragoman.domain.chat.wording import searchable
from dragoman.domain.messages.parts import TextPart
from dragoman.domain.messages.stored import read_calls, read_parts, write_calls, write_parts


def _message(row: sa.RowMapping) -> ChatMessage:
    values = {name: row[name] for name in ChatMessage.__slots__}
    values["parts"] = read_parts(row["parts"])
    values["tool_calls"] = read_calls(row["tool_calls"])
    values["citations"] = tuple(row["citations"])
    return ChatMessage(**values)


def insert(connection: Connection, session_key: int, message: ChatMessage, *, beside: str = "") -> int:
    """Stores what was said last; gives its key. It is found by the words ``beside`` its text, too."""
    values = {
        "id": message.id,
        "session_key": session_key,
        "role": message.role,
        "parts": write_parts(message.parts),
        "reasoning": message.reasoning,
        "tool_calls": write_calls(message.tool_calls),
        "citations": [dict(citation) for citation in message.citations],
        "cancelled": message.cancelled,
        "author": message.author,
        "created_at": message.created_at,
        "search_text": searchable(f"{message.text}\n{beside}" if beside else message.text),
    }
    statement = sa.insert(chat_messages).values(**values).returning(chat_messages.c.key)
    return connection.execute(statement).scalar_one()


def select(connection: Connection, session_key: int) -> list[ChatMessage]:
    """Everything said, oldest first."""
    statement = sa.select(chat_messages).where(chat_messages.c.session_key == session_key)
    return [_message(row) for row in connection.execute(statement.order_by(chat_messages.c.key)).mappings()]


def by_id(connection: Connection, session_key: int, message_id: str) -> ChatMessage | None:
    """What was said under that id, None when the session has no such thing."""
    statement = sa.select(chat_messages).where(
        chat_messages.c.session_key == session_key, chat_messages.c.id == message_id
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _message(row)


def by_keys(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[int, ChatMessage]]:
    """Messages that were found before, each with its session's key."""
    statement = sa.select(chat_messages).where(chat_messages.c.key.in_(keys))
    rows = connection.execute(statement).mappings()
    return {row["key"]: (row["session_key"], _message(row)) for row in rows}


def count(connection: Connection, session_key: int) -> int:
    """How much was said."""
    statement = sa.select(sa.func.count()).where(chat_messages.c.session_key == session_key)
    return connection.execute(statement).scalar_one()


def last(connection: Connection, session_key: int) -> str | None:
    """The id of what was said last."""
    statement = sa.select(chat_messages.c.id).where(chat_messages.c.session_key == session_key)
    return connection.execute(statement.order_by(chat_messages.c.key.desc()).limit(1)).scalar()


def last_of_user(connection: Connection, session_key: int) -> int | None:
    """The key of the last thing that the user said."""
    statement = sa.select(sa.func.max(chat_messages.c.key)).where(
        chat_messages.c.session_key == session_key, chat_messages.c.role == "user"
    )
    return connection.execute(statement).scalar()


def cut_short(connection: Connection, session_key: int, message_id: str, text: str) -> None:
    """Puts less text in place of an answer's; one of which nothing is left is removed."""
    message = by_id(connection, session_key, message_id)
    if message is None or message.role != "assistant":
        return
    others = tuple(part for part in message.parts if not isinstance(part, TextPart))
    parts = (*((TextPart(text),) if text else ()), *others)
    place = chat_messages.c.key == message.key
    if not parts:
        connection.execute(sa.delete(chat_messages).where(place))
        return
    left = {"parts": write_parts(parts), "cancelled": True, "search_text": searchable(text)}
    connection.execute(sa.update(chat_messages).where(place).values(**left))


def delete_after(connection: Connection, session_key: int, key: int) -> None:
    """Removes what was said after that."""
    connection.execute(
        sa.delete(chat_messages).where(chat_messages.c.session_key == session_key, chat_messages.c.key > key)
    )


def delete(connection: Connection, session_key: int, key: int) -> None:
    """Removes one thing said."""
    connection.execute(
        sa.delete(chat_messages).where(chat_messages.c.session_key == session_key, chat_messages.c.key == key)
    )
