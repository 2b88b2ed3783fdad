"""Files of a session that was got before."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.chat.tables import chat_uploads
from dragoman.domain.chat.uploads.model import Upload

_COLUMNS = [chat_uploads.c[name] for name in Upload.__slots__]


def _upload(row: sa.RowMapping) -> Upload:
    return Upload(**{name: row[name] for name in Upload.__slots__})


def insert(connection: Connection, session_key: int, upload: Upload, content: bytes) -> None:
    """Stores a file."""
    values = {name: getattr(upload, name) for name in Upload.__slots__}
    connection.execute(sa.insert(chat_uploads).values(session_key=session_key, content=content, **values))


def stored(connection: Connection, session_key: int) -> tuple[int, int]:
    """How many files there are, and how many bytes they have together."""
    statement = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(chat_uploads.c.size), 0)).where(
        chat_uploads.c.session_key == session_key
    )
    files, size = connection.execute(statement).one()
    return int(files), int(size)


def select(connection: Connection, session_key: int, ids: Collection[str]) -> dict[str, Upload]:
    """The files of these ids that the session has."""
    statement = sa.select(*_COLUMNS).where(
        chat_uploads.c.session_key == session_key, chat_uploads.c.id.in_(ids)
    )
    return {row["id"]: _upload(row) for row in connection.execute(statement).mappings()}


def content(connection: Connection, session_key: int, upload_id: str) -> tuple[Upload, bytes] | None:
    """A file with its content, None when the session has no such file."""
    statement = sa.select(*_COLUMNS, chat_uploads.c.content).where(
        chat_uploads.c.session_key == session_key, chat_uploads.c.id == upload_id
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else (_upload(row), bytes(row["content"]))


def shared(connection: Connection, upload_id: str) -> tuple[Upload, bytes] | None:
    """A file with its content for somebody whose right to it was proved."""
    statement = sa.select(*_COLUMNS, chat_uploads.c.content).where(chat_uploads.c.id == upload_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else (_upload(row), bytes(row["content"]))


def delete(connection: Connection, session_key: int, upload_id: str) -> bool:
    """Whether the session had the file, which is gone."""
    statement = sa.delete(chat_uploads).where(
        chat_uploads.c.session_key == session_key, chat_uploads.c.id == upload_id
    )
    return connection.execute(statement).rowcount > 0


def delete_all(connection: Connection, session_key: int) -> None:
    """Removes every file of the session."""
    connection.execute(sa.delete(chat_uploads).where(chat_uploads.c.session_key == session_key))
