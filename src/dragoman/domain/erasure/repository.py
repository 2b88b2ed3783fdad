"""SQL of erasing people: every table that knows of one, what becomes of its rows, and of the audit's."""

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.audit.tables import audit_events
from dragoman.domain.accounts.external.tables import identities
from dragoman.domain.accounts.groups.tables import group_members
from dragoman.domain.accounts.signin.tables import passwords, setup_links, sign_ins
from dragoman.domain.accounts.tables import api_keys, logins, organisations, secrets, users
from dragoman.domain.agents.approvals.tables import tool_approvals
from dragoman.domain.agents.deep.tables import deep_runs
from dragoman.domain.agents.history.tables import agent_versions
from dragoman.domain.agents.pending.tables import hidden_turns
from dragoman.domain.agents.tables import agents
from dragoman.domain.agents.traces.tables import agent_runs
from dragoman.domain.chat.channels.tables import channel_contacts
from dragoman.domain.chat.replies.tables import replies
from dragoman.domain.chat.tables import chat_clients, chat_messages, chat_sessions
from dragoman.domain.chat.transcripts.tables import transcripts
from dragoman.domain.knowledge.attached.tables import attached_files
from dragoman.domain.knowledge.tables import collection_grants, collections, document_users
from dragoman.domain.memories.tables import memories
from dragoman.domain.sandbox.tables import shared_files
from dragoman.domain.schedules.tables import chat_recurring_tasks, chat_schedules
from dragoman.domain.skills.tables import skills
from dragoman.domain.tools.hosted.tables import hosted_files
from dragoman.domain.tools.servers.tables import tool_servers
from dragoman.domain.usage.answers.tables import answers
from dragoman.domain.usage.budgets.tables import budget_limits
from dragoman.domain.usage.conversations.tables import conversations
from dragoman.domain.usage.limits.tables import user_limits
from dragoman.domain.usage.receipts.tables import receipts
from dragoman.domain.usage.tables import usage_records
from dragoman.domain.voice.tables import voice_sessions
from dragoman.kit.digest import text_digest

_BOUND = 500
# What stands in the place of an erased user's address.
_NOBODYS = "erased-" + users.c.id + "@erased.invalid"
# In an order that keeps what refers behind what it refers to. Collections go before, with their documents and passages.
OWNED: tuple[tuple[sa.Table, str], ...] = (
    (shared_files, "owner_id"),
    (hosted_files, "owner_id"),
    (attached_files, "user_id"),
    (replies, "user_id"),
    (transcripts, "user_id"),
    (answers, "user_id"),
    (conversations, "user_id"),
    (receipts, "user_id"),
    (deep_runs, "user_id"),
    (hidden_turns, "owner_id"),
    (tool_approvals, "owner_id"),
    (agent_runs, "owner_id"),
    (voice_sessions, "owner_id"),
    (memories, "owner_id"),
    (skills, "owner_id"),
    (tool_servers, "owner_id"),
    (chat_clients, "owner_id"),
    (agents, "owner_id"),
    (collection_grants, "user_id"),
    (document_users, "user_id"),
    (group_members, "user_id"),
    (user_limits, "user_id"),
    (sign_ins, "user_id"),
    (api_keys, "user_id"),
    (secrets, "user_id"),
    (logins, "user_id"),
    (passwords, "user_id"),
    (setup_links, "user_id"),
    (identities, "user_id"),
)
# Tables that name a user and keep their rows: usage is billed, and the user's own row names nobody any more.
KEPT = {"usage_records", "collections"}
# Where an e-mail stands beside what others own.
_NAMED: tuple[tuple[sa.Table, str, str | None], ...] = (
    (agent_versions, "changed_by", "erased"),
    (chat_messages, "author", "erased"),
    (chat_sessions, "held_by", None),
    (channel_contacts, "held_by", None),
    (usage_records, "end_user", None),
)


def of_user(connection: Connection, user_id: str, email: str) -> tuple[dict[str, int], dict[str, int]]:
    """How many rows by table belong to the user, and how many only name them."""
    removed = {table.name: _count(connection, table, table.c[column] == user_id) for table, column in OWNED}
    removed["budget_limits"] = _count(connection, budget_limits, _limits(user_id))
    cleared = {
        f"{table.name}.{column}": _count(connection, table, table.c[column] == email)
        for table, column, _ in _NAMED
    }
    # An organisation that was made along with its first user is called by their e-mail.
    cleared["organisations.name"] = _count(connection, organisations, organisations.c.name == email)
    cleared["usage_records.user"] = _count(connection, usage_records, usage_records.c.user_id == user_id)
    return _some(removed), _some(cleared)


def erase_user(connection: Connection, user_id: str, email: str) -> None:
    """Removes all of ``of_user``; the user's row stays and names nobody."""
    for table, column in OWNED:
        connection.execute(sa.delete(table).where(table.c[column] == user_id))
    connection.execute(sa.delete(budget_limits).where(_limits(user_id)))
    for table, column, left in _NAMED:
        connection.execute(sa.update(table).where(table.c[column] == email).values({column: left}))
    called = sa.update(organisations).where(organisations.c.name == email)
    connection.execute(called.values(name="organisation " + organisations.c.id))
    _unnamed(connection, usage_records.c.user_id == user_id)
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(
            email=_NOBODYS,
            name=None,
            salt="",
            settings={},
            disabled=True,
            role="viewer",
        )
    )


def _unnamed(connection: Connection, of_whom: sa.ColumnElement[bool]) -> int:
    """Takes what names anybody out of these users' part of the bill; from how many records."""
    columns = usage_records.c
    named = sa.or_(columns.key_id.is_not(None), columns.end_user.is_not(None))
    unnamed = sa.update(usage_records).where(of_whom, named)
    return connection.execute(unnamed.values(key_id=None, end_user=None)).rowcount


def forget_late(connection: Connection) -> int:
    """Removes what erased users were still given, by answers under way and out of servers' journals; how many rows."""
    erased = sa.select(users.c.id).where(users.c.email == _NOBODYS)
    if connection.execute(erased.limit(1)).first() is None:
        return 0
    gone = _unnamed(connection, usage_records.c.user_id.in_(erased))
    for table, column in OWNED:
        gone += connection.execute(sa.delete(table).where(table.c[column].in_(erased))).rowcount
    return gone


def _limits(user_id: str) -> sa.ColumnElement[bool]:
    return budget_limits.c.subject == user_id


def hosted_blobs(connection: Connection, user_id: str) -> list[str]:
    """The stored files behind the user's public addresses."""
    statement = sa.select(hosted_files.c.blob).where(hosted_files.c.owner_id == user_id)
    return [str(one) for one in connection.execute(statement).scalars()]


def collections_of(connection: Connection, user_id: str) -> list[tuple[int, str]]:
    """Keys and names of the user's collections."""
    statement = sa.select(collections.c.key, collections.c.name).where(collections.c.owner_id == user_id)
    return [(row.key, row.name) for row in connection.execute(statement)]


def hand_over(connection: Connection, user_id: str, heir_id: str) -> None:
    """Gives the user's collections to a colleague."""
    mine = sa.select(collections.c.key).where(collections.c.owner_id == user_id)
    held = collection_grants.c.user_id == heir_id
    connection.execute(sa.delete(collection_grants).where(held, collection_grants.c.collection_key.in_(mine)))
    connection.execute(
        sa.update(collections).where(collections.c.owner_id == user_id).values(owner_id=heir_id)
    )


def events_about(connection: Connection, organisation_id: str, words: Sequence[str]) -> list[int]:
    """The numbers of the organisation's audit events whose content holds one of the words."""
    held = [
        audit_events.c.content.contains(json.dumps(word)[1:-1], autoescape=True) for word in words if word
    ]
    mine = sa.and_(audit_events.c.organisation_id == organisation_id, audit_events.c.content.is_not(None))
    statement = sa.select(audit_events.c.number).where(mine, sa.or_(*held))
    return [int(one) for one in connection.execute(statement.order_by(audit_events.c.number)).scalars()]


def owners_left(connection: Connection, organisation_id: str, without: str) -> tuple[int, int]:
    """How many enabled owners and how many enabled users the organisation has beside this one."""
    mine = (users.c.organisation_id == organisation_id, users.c.id != without, users.c.disabled.is_(False))
    owning = sa.func.coalesce(sa.func.sum(sa.case((users.c.role == "owner", 1), else_=0)), 0)
    row = connection.execute(sa.select(owning, sa.func.count()).select_from(users).where(*mine)).one()
    return int(row[0]), int(row[1])


# People who are no users: whom agents talk to.


def _of_organisation(organisation_id: str) -> sa.Select[tuple[str]]:
    return sa.select(users.c.id).where(users.c.organisation_id == organisation_id)


def users_of(connection: Connection, organisation_id: str) -> list[str]:
    """The ids of the organisation's users."""
    return [str(one) for one in connection.execute(_of_organisation(organisation_id)).scalars()]


def _person_rows(organisation_id: str, person: str) -> Mapping[sa.Table, sa.ColumnElement[bool]]:
    name = person.split("@", 1)[0]
    clients = sa.select(chat_clients.c.id).where(chat_clients.c.organisation_id == organisation_id)
    mine = _of_organisation(organisation_id)
    return {
        chat_schedules: chat_schedules.c.client_id.in_(clients) & (chat_schedules.c.person == name),
        chat_recurring_tasks: chat_recurring_tasks.c.client_id.in_(clients)
        & (chat_recurring_tasks.c.person == name),
        chat_sessions: chat_sessions.c.client_id.in_(clients) & (chat_sessions.c.person == name),
        channel_contacts: channel_contacts.c.client_id.in_(clients)
        & sa.or_(channel_contacts.c.address == person, channel_contacts.c.address == name),
        memories: (memories.c.organisation_id == organisation_id) & (memories.c.person == name),
        tool_approvals: (tool_approvals.c.organisation_id == organisation_id)
        & tool_approvals.c.person.in_((person, name)),
        agent_runs: (agent_runs.c.organisation_id == organisation_id)
        & agent_runs.c.person.in_((person, name)),
        conversations: conversations.c.user_id.in_(mine) & conversations.c.end_user.in_((person, name)),
        shared_files: shared_files.c.owner_id.in_(mine)
        & shared_files.c.workspace.in_((text_digest(person), text_digest(name))),
        budget_limits: (budget_limits.c.organisation_id == organisation_id)
        & (budget_limits.c.scope == "end_user")
        & budget_limits.c.subject.in_((person, name)),
    }


def _person_usage(organisation_id: str, person: str) -> sa.ColumnElement[bool]:
    named = usage_records.c.end_user.in_((person, person.split("@", 1)[0]))
    return (usage_records.c.organisation_id == organisation_id) & named


def of_person(
    connection: Connection, organisation_id: str, person: str
) -> tuple[dict[str, int], dict[str, int]]:
    """How many rows by table are about somebody whom the organisation's agents talk to."""
    rows = _person_rows(organisation_id, person)
    removed = {table.name: _count(connection, table, rule) for table, rule in rows.items()}
    used = _count(connection, usage_records, _person_usage(organisation_id, person))
    return _some(removed), _some({"usage_records.end_user": used})


def erase_person(connection: Connection, organisation_id: str, person: str) -> None:
    """Removes all of ``of_person``; what their answers cost stays."""
    for table, rule in _person_rows(organisation_id, person).items():
        connection.execute(sa.delete(table).where(rule))
    named = _person_usage(organisation_id, person)
    connection.execute(sa.update(usage_records).where(named).values(end_user=None))


def _count(connection: Connection, table: sa.Table, rule: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(rule)).scalar_one())


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


# What is kept for so long only.

_AGED: Mapping[str, tuple[sa.Table, str]] = {
    "transcripts": (transcripts, "updated_at"),
    "answers": (answers, "at"),
    "memories": (memories, "updated_at"),
    "logins": (logins, "at"),
    "deep_runs": (deep_runs, "updated_at"),
    "replies": (replies, "created_at"),
}


def forget_aged(connection: Connection, kind: str, before: int) -> int:
    """Removes a bounded number of rows of a kind from before that time; gives how many."""
    table, column = _AGED[kind]
    keys = list(table.primary_key.columns)
    old = sa.select(*keys).where(table.c[column] < before).limit(_BOUND)
    found = connection.execute(old).all()
    if found:
        connection.execute(sa.delete(table).where(sa.tuple_(*keys).in_([tuple(row) for row in found])))
    return len(found)
