"""Chat clients and their integrations."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.agents.tables import agents
from dragoman.domain.chat.model import AgentSummary, ChatClient, ClientDraft, ClientOverview
from dragoman.domain.chat.spec import ChatClientSpec
from dragoman.domain.chat.tables import chat_clients, chat_days, chat_integrations, chat_rates, chat_sessions
from dragoman.kit.errors import NotFound


def read_client(row: sa.RowMapping) -> ChatClient:
    """The client of a row that has all columns of the table."""
    draft = ClientDraft(
        row[chat_clients.c.name],
        row[chat_clients.c.agent_id],
        row[chat_clients.c.messages_per_hour],
        row[chat_clients.c.most_messages],
        ChatClientSpec.model_validate(row[chat_clients.c.spec]),
    )
    return ChatClient(
        row[chat_clients.c.id],
        row[chat_clients.c.owner_id],
        draft,
        row[chat_clients.c.created_at],
        row[chat_clients.c.updated_at],
    )


def _values(draft: ClientDraft) -> dict[str, object]:
    return {
        "name": draft.name,
        "agent_id": draft.agent_id,
        "messages_per_hour": draft.messages_per_hour,
        "most_messages": draft.most_messages,
        "spec": draft.spec.model_dump(mode="json"),
    }


def insert(connection: Connection, caller: Caller, client: ChatClient) -> None:
    """Stores a new client of the caller's."""
    connection.execute(
        sa.insert(chat_clients).values(
            id=client.id,
            organisation_id=caller.organisation_id,
            owner_id=caller.user_id,
            created_at=client.created_at,
            updated_at=client.updated_at,
            **_values(client.draft),
        )
    )


def get(connection: Connection, caller: Caller, client_id: str, *, lock: bool = False) -> ChatClient:
    """One of the caller's clients; with ``lock`` nobody else changes it before the transaction ends.

    Raises:
        NotFound: the caller has no such client.
    """
    statement = sa.select(chat_clients).where(
        chat_clients.c.id == client_id, chat_clients.c.owner_id == caller.user_id
    )
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no web chat client with this id.", code="chat_client_not_found")
    return read_client(row)


def answering(connection: Connection, client_id: str) -> tuple[ChatClient, Caller] | None:
    """A client with its owner; None when nobody answers for it or the owner is locked out."""
    owner = [users.c.number, users.c.email, users.c.role, users.c.organisation_id.label("owner_organisation")]
    statement = (
        sa.select(*chat_clients.c, *owner)
        .join(users, users.c.id == chat_clients.c.owner_id)
        .where(
            chat_clients.c.id == client_id, chat_clients.c.agent_id.is_not(None), users.c.disabled.is_(False)
        )
    )
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    client = read_client(row)
    return client, Caller(
        row["owner_organisation"], client.owner_id, row["number"], row["email"], row["role"], visitor=True
    )


def update(connection: Connection, client_id: str, draft: ClientDraft, at: int) -> None:
    """Gives a client, which was got for the caller before, another content."""
    statement = sa.update(chat_clients).where(chat_clients.c.id == client_id)
    connection.execute(statement.values(updated_at=at, **_values(draft)))


def delete(connection: Connection, caller: Caller, client_id: str) -> bool:
    """Whether the caller's client was there; it is gone with its sessions, integrations and schedules."""
    statement = sa.delete(chat_clients).where(
        chat_clients.c.id == client_id, chat_clients.c.owner_id == caller.user_id
    )
    return connection.execute(statement).rowcount > 0


def overviews(
    connection: Connection,
    caller: Caller,
    now: int,
    *,
    client_id: str | None = None,
    limit: int = 1,
    offset: int = 0,
) -> list[ClientOverview]:
    """The caller's clients, or one of them, oldest first."""
    active = (
        sa.select(sa.func.count())
        .select_from(chat_sessions)
        .where(chat_sessions.c.client_id == chat_clients.c.id, chat_sessions.c.expires_at > now)
        .scalar_subquery()
        .label("active")
    )
    agent = agents.c.name.label("agent_name"), agents.c.spec["model"].as_string().label("agent_model")
    statement = (
        sa.select(chat_clients, active, *agent)
        .join(agents, agents.c.id == chat_clients.c.agent_id, isouter=True)
        .where(chat_clients.c.owner_id == caller.user_id)
    )
    if client_id is not None:
        statement = statement.where(chat_clients.c.id == client_id)
    statement = statement.order_by(chat_clients.c.created_at, chat_clients.c.id).limit(limit).offset(offset)
    return [_overview(row) for row in connection.execute(statement).mappings()]


def _overview(row: sa.RowMapping) -> ClientOverview:
    client = read_client(row)
    agent = None
    if client.draft.agent_id is not None and row["agent_name"] is not None:
        agent = AgentSummary(client.draft.agent_id, row["agent_name"], row["agent_model"])
    return ClientOverview(client, agent, row["active"])


def count_question(connection: Connection, client_id: str, day: int) -> int:
    """How many questions the client had on that day, with this one; days before the last are forgotten."""
    mine = chat_days.c.client_id == client_id
    today = sa.and_(mine, chat_days.c.day == day)
    statement = sa.update(chat_days).where(today).values(questions=chat_days.c.questions + 1)
    found = connection.execute(statement.returning(chat_days.c.questions)).scalar()
    if found is not None:
        return int(found)
    connection.execute(sa.delete(chat_days).where(mine, chat_days.c.day < day))
    connection.execute(sa.insert(chat_days).values(client_id=client_id, day=day, questions=1))
    return 1


def wait_ms(connection: Connection, subject: str, now: int, *, burst: int, period: int) -> int:
    """0 when the subject may ask now, which counts it; else for how long not, and nothing is counted.

    So many at once, then one each period, whichever process is asked.
    """
    due = chat_rates.c.due
    statement = upsert(connection.dialect.name, chat_rates).values(subject=subject, due=now + period)
    counted = statement.on_conflict_do_update(
        index_elements=["subject"],
        set_={"due": sa.case((due > now, due), else_=now) + period},
        where=due <= now + period * (burst - 1),
    )
    if connection.execute(counted.returning(due)).scalar() is not None:
        return 0
    held = connection.execute(sa.select(due).where(chat_rates.c.subject == subject)).scalar_one()
    return max(1, int(held) - period * (burst - 1) - now)


def forget_rates(connection: Connection, now: int, *, limit: int) -> int:
    """Drops what holds nobody up any more; gives how many rows that were."""
    old = sa.select(chat_rates.c.subject).where(chat_rates.c.due <= now).limit(limit)
    return connection.execute(sa.delete(chat_rates).where(chat_rates.c.subject.in_(old))).rowcount


def integrations(connection: Connection, client_id: str) -> list[Mapping[str, Any]]:
    """The integrations of a client, which was got for the caller before."""
    statement = sa.select(chat_integrations).where(chat_integrations.c.client_id == client_id)
    return [dict(row) for row in connection.execute(statement).mappings()]


def has_integration(connection: Connection, client_id: str, channel: str) -> bool:
    """Whether a client, which was got for the caller before, answers on a channel."""
    statement = sa.select(chat_integrations.c.client_id).where(
        chat_integrations.c.client_id == client_id, chat_integrations.c.channel == channel
    )
    return connection.execute(statement).first() is not None


def put_integration(connection: Connection, values: Mapping[str, object]) -> None:
    """Stores an integration in place of one for the same channel."""
    kept = connection.execute(
        sa.select(chat_integrations.c.created_at).where(
            chat_integrations.c.client_id == values["client_id"],
            chat_integrations.c.channel == values["channel"],
        )
    ).scalar()
    delete_integration(connection, str(values["client_id"]), str(values["channel"]))
    created = values["updated_at"] if kept is None else kept
    connection.execute(sa.insert(chat_integrations).values(**values, created_at=created))


def delete_integration(connection: Connection, client_id: str, channel: str) -> bool:
    """Whether the client had this integration, which now is gone."""
    statement = sa.delete(chat_integrations).where(
        chat_integrations.c.client_id == client_id, chat_integrations.c.channel == channel
    )
    return connection.execute(statement).rowcount > 0
