"""All SQL of stored agents."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import AgentKind, AgentSummary, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.agents.tables import agent_numbers, agents
from dragoman.kit.errors import NotFound

_NUMBERED = 10_000


def _row(row: sa.RowMapping) -> StoredAgent:
    values = dict(row)
    values["spec"] = AgentSpec.model_validate(values["spec"])
    return StoredAgent(**values)


def _values(agent: StoredAgent) -> dict[str, object]:
    values = {name: getattr(agent, name) for name in StoredAgent.__slots__}
    values["spec"] = agent.spec.model_dump(mode="json")
    values["extensions"] = dict(agent.extensions)
    return values


def insert(connection: Connection, agent: StoredAgent) -> None:
    """Stores a new agent."""
    connection.execute(sa.insert(agents).values(**_values(agent)))


def update(connection: Connection, agent: StoredAgent) -> None:
    """Replaces an agent's name, slug, settings and secrets."""
    values = _values(agent)
    connection.execute(sa.update(agents).where(agents.c.id == agent.id).values(**values))


def get(connection: Connection, caller: Caller, agent_id: str, kind: AgentKind) -> StoredAgent:
    """One agent of the caller's own, by id.

    Raises:
        NotFound: the caller has no such agent.
    """
    statement = sa.select(agents).where(
        agents.c.id == agent_id, agents.c.owner_id == caller.user_id, agents.c.kind == kind
    )
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no {kind} with this id.", code=f"{kind}_not_found")
    return _row(row)


def named_in(connection: Connection, organisation_id: str, name: str) -> str | None:
    """The id of the organisation's agent of that id or slug, or of the only one of that name."""
    mine = sa.select(agents.c.id).where(agents.c.organisation_id == organisation_id)
    for rule in (agents.c.id == name, agents.c.slug == name, agents.c.name == name):
        found = list(connection.execute(mine.where(rule).limit(2)).scalars())
        if len(found) == 1:
            return found[0]
    return None


def names_in(connection: Connection, organisation_id: str | None) -> dict[str, str]:
    """The names of an organisation's agents, or of all, by their ids."""
    statement = sa.select(agents.c.id, agents.c.name)
    if organisation_id is not None:
        statement = statement.where(agents.c.organisation_id == organisation_id)
    return {row.id: row.name for row in connection.execute(statement)}


def select(connection: Connection, caller: Caller, kind: AgentKind) -> list[AgentSummary]:
    """All of the caller's agents of that kind, oldest first."""
    model, endpoint = (agents.c.spec[name].as_string() for name in ("model", "endpoint"))
    shown = (agents.c.id, agents.c.name, agents.c.slug, model, endpoint, agents.c.created_at)
    statement = sa.select(*shown).where(agents.c.owner_id == caller.user_id, agents.c.kind == kind)
    return [AgentSummary(*row) for row in connection.execute(statement.order_by(agents.c.id))]


def by_name(connection: Connection, caller: Caller, name: str) -> StoredAgent | None:
    """The caller's agent of that id, slug, or name; a slug keeps working by its tail after the agent was renamed."""
    mine = agents.c.owner_id == caller.user_id
    _, _, tail = name.rpartition(":")
    rules = [agents.c.id == name, agents.c.slug == name, agents.c.name == name]
    if ":" in name and len(tail) >= 4 and tail.isalnum():
        rules.append(agents.c.id.endswith(tail.lower(), autoescape=True))
    for rule in rules:
        row = (
            connection.execute(sa.select(agents).where(mine, rule).order_by(agents.c.created_at).limit(1))
            .mappings()
            .one_or_none()
        )
        if row is not None:
            return _row(row)
    return None


def slug_taken(connection: Connection, caller: Caller, slug: str) -> bool:
    """Whether one of the caller's agents has the slug."""
    statement = sa.select(agents.c.id).where(agents.c.owner_id == caller.user_id, agents.c.slug == slug)
    return connection.execute(statement).first() is not None


def delete(connection: Connection, agent_id: str) -> None:
    """Removes an agent."""
    connection.execute(sa.delete(agents).where(agents.c.id == agent_id))


def whole(
    connection: Connection, caller: Caller, kinds: Sequence[AgentKind], *, only: str | None = None
) -> list[StoredAgent]:
    """The caller's agents of these kinds, oldest first, or the one of that id."""
    statement = sa.select(agents).where(agents.c.owner_id == caller.user_id, agents.c.kind.in_(kinds))
    if only is not None:
        statement = statement.where(agents.c.id == only)
    rows = connection.execute(statement.order_by(agents.c.id).limit(_NUMBERED)).mappings()
    return [_row(row) for row in rows]


def numbers_of(connection: Connection, agent_ids: Sequence[str]) -> dict[str, int]:
    """The numbers that these agents have already."""
    statement = sa.select(agent_numbers).where(agent_numbers.c.agent_id.in_(agent_ids))
    return {row.agent_id: row.number for row in connection.execute(statement)}


def give_number(connection: Connection, agent_id: str) -> int:
    """The agent's number, a new one unless it has got one meanwhile."""
    statement = upsert(connection.dialect.name, agent_numbers).values(agent_id=agent_id)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["agent_id"]))
    return numbers_of(connection, [agent_id])[agent_id]


def agent_numbered(connection: Connection, number: int) -> str | None:
    """The agent of a number, whoever's it is."""
    statement = sa.select(agent_numbers.c.agent_id).where(agent_numbers.c.number == number)
    return connection.execute(statement).scalar()
