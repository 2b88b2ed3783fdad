"""All SQL of registered tool servers."""

from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.tools.servers.tables import tool_servers


class ServerRow(TypedDict):
    """A row as it is written; ``metadata`` is sealed."""

    name: str
    url: str
    kind: str
    description: str
    metadata: bytes


def insert(connection: Connection, caller: Caller, row: ServerRow, at: int) -> int:
    """The number of a new server of the caller's."""
    statement = sa.insert(tool_servers).values(
        organisation_id=caller.organisation_id,
        owner_id=caller.user_id,
        active=True,
        created_at=at,
        updated_at=at,
        **row,
    )
    return connection.execute(statement.returning(tool_servers.c.number)).scalar_one()


def update(connection: Connection, caller: Caller, number: int, row: ServerRow, at: int) -> None:
    """Gives one of the caller's servers another content."""
    statement = sa.update(tool_servers).where(_own(caller), tool_servers.c.number == number)
    connection.execute(statement.values(updated_at=at, **row))


def deactivate(connection: Connection, caller: Caller, number: int, at: int) -> bool:
    """Whether there was such an active server of the caller's; now it is inactive."""
    statement = sa.update(tool_servers).where(
        _own(caller), tool_servers.c.number == number, tool_servers.c.active
    )
    return connection.execute(statement.values(active=False, updated_at=at)).rowcount > 0


def get(connection: Connection, caller: Caller, number: int) -> sa.RowMapping | None:
    """One of the caller's active servers."""
    statement = sa.select(tool_servers).where(
        _own(caller), tool_servers.c.number == number, tool_servers.c.active
    )
    return connection.execute(statement).mappings().one_or_none()


def select(connection: Connection, caller: Caller, *, inactive: bool = False) -> list[sa.RowMapping]:
    """The caller's servers, oldest first; with ``inactive`` the deleted ones as well."""
    statement = sa.select(tool_servers).where(_own(caller)).order_by(tool_servers.c.number)
    if not inactive:
        statement = statement.where(tool_servers.c.active)
    return list(connection.execute(statement).mappings())


def _own(caller: Caller) -> sa.ColumnElement[bool]:
    return tool_servers.c.owner_id == caller.user_id
