"""All SQL of marks."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.labels.tables import label_marks

_AT_ONCE = 500


def labels_of(connection: Connection, organisation_id: str, keys: Sequence[str]) -> list[str]:
    """The labels that any of the keys bears, each once."""
    found: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        statement = (
            sa.select(label_marks.c.label)
            .distinct()
            .where(
                label_marks.c.organisation_id == organisation_id,
                label_marks.c.key.in_(keys[start : start + _AT_ONCE]),
            )
        )
        found.update(connection.execute(statement).scalars())
    return sorted(found)


def put(
    connection: Connection, organisation_id: str, keys: Sequence[str], labels: Sequence[str], at: int
) -> None:
    """Lets the keys bear these labels beside those they bear already."""
    rows = [
        {"organisation_id": organisation_id, "key": key, "label": label, "at": at}
        for key in dict.fromkeys(keys)
        for label in labels
    ]
    if rows:
        connection.execute(upsert(connection.dialect.name, label_marks).on_conflict_do_nothing(), rows)


def marked(connection: Connection) -> set[str]:
    """The organisations in which anything bears a label this way."""
    return set(connection.execute(sa.select(label_marks.c.organisation_id).distinct()).scalars())
