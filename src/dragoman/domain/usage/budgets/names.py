"""Finding the one that a limit is for: by id, or by the name that people know."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.tables import api_keys, organisations, users


def organisation_id(connection: Connection, name: str) -> str | None:
    """The organisation of that name or id."""
    there = organisations.c
    statement = sa.select(there.id).where(sa.or_(there.name == name, there.id == name))
    return connection.execute(statement).scalars().first()


def organisations_by_id(connection: Connection) -> dict[str, str]:
    """The names of all organisations."""
    rows = connection.execute(sa.select(organisations.c.id, organisations.c.name))
    return {row.id: row.name for row in rows}


def user_id(connection: Connection, organisation: str, name: str) -> str | None:
    """The user of the organisation with that e-mail, id or decimal number."""
    columns = users.c
    named = [columns.id == name, columns.email == name.strip().lower()]
    if name.isdecimal() and len(name) < 18:
        named.append(columns.number == int(name))
    statement = sa.select(columns.id).where(columns.organisation_id == organisation, sa.or_(*named))
    return connection.execute(statement).scalars().first()


def key_id(connection: Connection, organisation: str, name: str) -> str | None:
    """The key of one of the organisation's users with that id, or the only one with that label or end."""
    keys = api_keys.c
    mine = (
        sa.select(keys.id)
        .join(users, users.c.id == keys.user_id)
        .where(users.c.organisation_id == organisation)
    )
    found = connection.execute(mine.where(keys.id == name)).scalars().first()
    if found is not None:
        return found
    named = mine.where(sa.or_(keys.label == name, keys.last_six == name), keys.revoked_at.is_(None))
    several = list(connection.execute(named.limit(2)).scalars())
    return several[0] if len(several) == 1 else None


def names_of(connection: Connection, organisation: str | None) -> dict[str, str]:
    """What people call the users and keys of an organisation, or of all, by their ids."""
    columns = users.c
    people = sa.select(columns.id, columns.email)
    keys = sa.select(api_keys.c.id, api_keys.c.label, api_keys.c.last_six).join(
        users, columns.id == api_keys.c.user_id
    )
    if organisation is not None:
        people = people.where(columns.organisation_id == organisation)
        keys = keys.where(columns.organisation_id == organisation)
    named = {row.id: row.email for row in connection.execute(people)}
    named |= {row.id: row.label or f"…{row.last_six}" for row in connection.execute(keys)}
    return named
