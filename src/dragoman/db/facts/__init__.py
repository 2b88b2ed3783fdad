"""A few words about the database itself that all its processes must agree on."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.facts.tables import facts
from dragoman.db.upsert import upsert


def fact_or(connection: Connection, name: str, value: str) -> str:
    """The fact of that name, which becomes ``value`` when there is none yet."""
    statement = upsert(connection.dialect.name, facts).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_nothing(index_elements=[facts.c.name]))
    return connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar_one()


def hold(connection: Connection, name: str) -> None:
    """Lets one transaction after the other do what the name stands for, in whatever process."""
    fact_or(connection, name, "")
    connection.execute(sa.select(facts.c.value).where(facts.c.name == name).with_for_update())
