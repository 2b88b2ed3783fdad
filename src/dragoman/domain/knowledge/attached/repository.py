"""All SQL of the files that users may refer to by name."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.attached.tables import attached_files

Pages = Sequence[tuple[int, str]]


def put(
    connection: Connection, caller: Caller, name: str, pages: Pages, *, now: int, expires_at: int, most: int
) -> None:
    """Stores the text under the name, in the place of an earlier one; drops what is out of date or too many."""
    mine = attached_files.c.user_id == caller.user_id
    connection.execute(sa.delete(attached_files).where(mine, attached_files.c.name == name))
    connection.execute(sa.delete(attached_files).where(attached_files.c.expires_at <= now))
    connection.execute(
        sa.insert(attached_files).values(
            user_id=caller.user_id, name=name, pages=[list(page) for page in pages], expires_at=expires_at
        )
    )
    newest_dropped = (
        sa.select(attached_files.c.number)
        .where(mine)
        .order_by(attached_files.c.number.desc())
        .limit(1)
        .offset(most)
        .scalar_subquery()
    )
    connection.execute(sa.delete(attached_files).where(mine, attached_files.c.number <= newest_dropped))


def get(connection: Connection, caller: Caller, name: str, *, now: int) -> tuple[tuple[int, str], ...] | None:
    """The caller's text of that name, None when there is none in date."""
    found = connection.execute(
        sa.select(attached_files.c.pages).where(
            attached_files.c.user_id == caller.user_id,
            attached_files.c.name == name,
            attached_files.c.expires_at > now,
        )
    ).scalar_one_or_none()
    return None if found is None else tuple((int(number), str(text)) for number, text in found)
