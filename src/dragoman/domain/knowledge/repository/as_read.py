"""A document's text and passages without their rows, to be stored again for another document."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.knowledge.chunk import ChunkedDocument
from dragoman.domain.knowledge.model import PassageDraft
from dragoman.domain.knowledge.tables import document_texts, passages


def as_read(connection: Connection, document_key: int) -> ChunkedDocument:
    """What was read and cut of a document; without passages while it waits to be read."""
    row = connection.execute(
        sa.select(document_texts.c.text, document_texts.c.page_starts, document_texts.c.warnings).where(
            document_texts.c.document_key == document_key
        )
    ).one_or_none()
    if row is None:
        return ChunkedDocument("", (), ())
    page_starts = tuple((number, int(start)) for number, start in row[1])
    return ChunkedDocument(str(row[0]), page_starts, _passages(connection, document_key), tuple(row[2]))


def _passages(connection: Connection, document_key: int) -> tuple[PassageDraft, ...]:
    statement = (
        sa.select(passages).where(passages.c.document_key == document_key).order_by(passages.c.ordinal)
    )
    return tuple(
        PassageDraft(
            ordinal=row["ordinal"],
            text=row["text"],
            page=row["page"],
            heading_path=tuple(row["heading_path"]),
            char_start=row["char_start"],
            char_end=row["char_end"],
            token_count=row["token_count"],
        )
        for row in connection.execute(statement).mappings()
    )
