"""SQL of the versions of agents. Whose the agent is has been found out before."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.agents.history.model import AgentVersion
from dragoman.domain.agents.history.tables import agent_versions
from dragoman.domain.agents.spec import AgentSpec


def last_number(connection: Connection, agent_id: str) -> int:
    """The number of the agent's latest version, 0 without one."""
    statement = sa.select(sa.func.max(agent_versions.c.number)).where(agent_versions.c.agent_id == agent_id)
    return connection.execute(statement).scalar() or 0


def insert(connection: Connection, agent_id: str, version: AgentVersion, *, kept: int) -> None:
    """Stores a version; of the agent's others the latest ``kept`` stay."""
    connection.execute(
        sa.insert(agent_versions).values(
            agent_id=agent_id,
            number=version.number,
            name=version.name,
            spec=version.spec.model_dump(mode="json"),
            extensions=dict(version.extensions),
            changed_by=version.changed_by,
            at=version.at,
        )
    )
    if version.number <= kept:
        return
    columns = agent_versions.c
    old = sa.and_(columns.agent_id == agent_id, columns.number <= version.number - kept)
    connection.execute(sa.delete(agent_versions).where(old))


def select(connection: Connection, agent_id: str) -> list[AgentVersion]:
    """The agent's versions, the latest first."""
    statement = sa.select(agent_versions).where(agent_versions.c.agent_id == agent_id)
    rows = connection.execute(statement.order_by(agent_versions.c.number.desc())).mappings()
    return [
        AgentVersion(
            number=row["number"],
            name=row["name"],
            spec=AgentSpec.model_validate(row["spec"]),
            extensions=row["extensions"],
            changed_by=row["changed_by"],
            at=row["at"],
        )
        for row in rows
    ]
