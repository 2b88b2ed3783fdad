"""Which tables hold what is an organisation's, in an order that keeps what refers behind what it refers to."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from dragoman.domain.accounts.audit.tables import audit_events, audit_heads
from dragoman.domain.accounts.external.tables import identities
from dragoman.domain.accounts.groups.tables import group_members, groups
from dragoman.domain.accounts.signin.tables import passwords, setup_links, sign_ins
from dragoman.domain.accounts.tables import api_keys, logins, organisations, secrets, users
from dragoman.domain.agents.approvals.tables import tool_approvals
from dragoman.domain.agents.deep.tables import deep_runs, deep_updates
from dragoman.domain.agents.history.tables import agent_versions
from dragoman.domain.agents.pending.tables import hidden_turns
from dragoman.domain.agents.tables import agent_numbers, agents
from dragoman.domain.agents.traces.tables import agent_runs
from dragoman.domain.chat.channels.tables import channel_contacts, channel_inbound, channel_outbound
from dragoman.domain.chat.replies.tables import replies
from dragoman.domain.chat.tables import (
    chat_clients,
    chat_days,
    chat_integrations,
    chat_messages,
    chat_sessions,
    chat_turns,
    chat_uploads,
)
from dragoman.domain.chat.transcripts.tables import transcripts
from dragoman.domain.knowledge.attached.tables import attached_files
from dragoman.domain.knowledge.tables import (
    collection_grants,
    collection_group_grants,
    collections,
    document_groups,
    document_roles,
    document_standings,
    document_texts,
    document_users,
    documents,
    passages,
)
from dragoman.domain.labels.tables import label_marks
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


@dataclass(frozen=True, slots=True)
class Moved:
    """A table. ``number``: the column whose whole numbers the database gives out; ``refers``: columns with numbers of others.

    ``within``: by which column and of which parent table, by its key column, a row belongs to the organisation.
    ``also``: further parents that must be the organisation's, too.
    """

    table: sa.Table
    within: tuple[str, sa.Column[str] | sa.Column[int]]
    number: str | None = None
    refers: Mapping[str, str] | None = None
    also: tuple[tuple[str, sa.Column[str] | sa.Column[int]], ...] = ()

    def mine(self, organisation_id: str) -> sa.ColumnElement[bool]:
        """Which rows are the organisation's."""
        return sa.and_(*self._rules(organisation_id))

    def touched(self, organisation_id: str) -> sa.ColumnElement[bool]:
        """Which rows cannot be without the organisation."""
        return sa.or_(*self._rules(organisation_id))

    def _rules(self, organisation_id: str) -> list[sa.ColumnElement[bool]]:
        parents = (self.within, *self.also)
        return [_inside(self.table.c[column], key, organisation_id) for column, key in parents]


def _inside(
    column: sa.Column[str], key: sa.Column[str] | sa.Column[int], organisation_id: str
) -> sa.ColumnElement[bool]:
    parent = key.table
    assert isinstance(parent, sa.Table)
    if parent is organisations:
        return column == organisation_id
    return column.in_(sa.select(key).where(MOVED[parent.name].mine(organisation_id)))


_USER = ("user_id", users.c.id)
_OWNER = ("owner_id", users.c.id)
_ORGANISATION = ("organisation_id", organisations.c.id)
_CLIENT = ("client_id", chat_clients.c.id)
_SESSION = ("session_key", chat_sessions.c.key)
_CONTACT = ("contact_key", channel_contacts.c.key)
_COLLECTION = ("collection_key", collections.c.key)
_DOCUMENT = ("document_key", documents.c.key)
_AGENT = ("agent_id", agents.c.id)
_OF_COLLECTION = {"collection_key": "collections"}
_OF_DOCUMENT = {"document_key": "documents"}
_OF_SESSION = {"session_key": "chat_sessions"}
_OF_CONTACT = {"contact_key": "channel_contacts"}

_ALL = (
    Moved(organisations, ("id", organisations.c.id)),
    Moved(users, _ORGANISATION, "number"),
    Moved(groups, _ORGANISATION),
    Moved(group_members, ("group_id", groups.c.id), also=(_USER,)),
    Moved(api_keys, _USER),
    Moved(passwords, _USER),
    Moved(secrets, _USER),
    Moved(identities, _USER),
    Moved(logins, _USER, "number"),
    Moved(user_limits, _USER),
    Moved(agents, _ORGANISATION, also=(_OWNER,)),
    Moved(agent_versions, _AGENT),
    Moved(agent_numbers, _AGENT, "number"),
    Moved(skills, _ORGANISATION, also=(_OWNER,)),
    Moved(memories, _ORGANISATION, "key", also=(_OWNER,)),
    Moved(tool_servers, _ORGANISATION, "number", also=(_OWNER,)),
    Moved(collections, _ORGANISATION, "key", also=(_OWNER,)),
    Moved(collection_grants, _COLLECTION, refers=_OF_COLLECTION, also=(_USER,)),
    Moved(collection_group_grants, _COLLECTION, refers=_OF_COLLECTION, also=(("group_id", groups.c.id),)),
    Moved(documents, _COLLECTION, "key", _OF_COLLECTION),
    Moved(document_users, _DOCUMENT, refers=_OF_DOCUMENT, also=(_USER,)),
    Moved(document_groups, _DOCUMENT, refers=_OF_DOCUMENT, also=(("group_id", groups.c.id),)),
    Moved(document_roles, _DOCUMENT, refers=_OF_DOCUMENT),
    Moved(document_standings, _DOCUMENT, refers=_OF_DOCUMENT),
    Moved(document_texts, _DOCUMENT, refers=_OF_DOCUMENT),
    Moved(passages, _COLLECTION, "key", {**_OF_COLLECTION, **_OF_DOCUMENT}),
    Moved(chat_clients, _ORGANISATION, also=(_OWNER,)),
    Moved(chat_integrations, _CLIENT),
    Moved(chat_days, _CLIENT),
    Moved(chat_sessions, _CLIENT, "key"),
    Moved(chat_messages, _SESSION, "key", _OF_SESSION),
    Moved(chat_turns, _SESSION, refers=_OF_SESSION),
    Moved(chat_uploads, _SESSION, refers=_OF_SESSION),
    Moved(channel_contacts, _CLIENT, "key"),
    Moved(channel_inbound, _CONTACT, "key", _OF_CONTACT),
    Moved(channel_outbound, _CONTACT, "key", _OF_CONTACT),
    Moved(chat_schedules, _CLIENT),
    Moved(chat_recurring_tasks, _CLIENT),
    Moved(transcripts, _USER),
    Moved(replies, _USER),
    Moved(answers, _USER, "number"),
    Moved(conversations, _USER, "number"),
    Moved(deep_runs, _USER, "number"),
    Moved(deep_updates, ("run", deep_runs.c.number), refers={"run": "deep_runs"}),
    Moved(agent_runs, _ORGANISATION, also=(_OWNER,)),
    Moved(tool_approvals, _ORGANISATION, also=(_OWNER,)),
    Moved(hidden_turns, _ORGANISATION, also=(_OWNER,)),
    Moved(attached_files, _USER, "number"),
    Moved(hosted_files, _OWNER, "key"),
    Moved(shared_files, _OWNER, "key"),
    Moved(budget_limits, _ORGANISATION),
    Moved(usage_records, _ORGANISATION, "number"),
    Moved(receipts, _ORGANISATION, "number"),
    Moved(label_marks, _ORGANISATION),
    Moved(audit_events, _ORGANISATION),
    Moved(audit_heads, _ORGANISATION),
)
MOVED: Mapping[str, Moved] = {one.table.name: one for one in _ALL}
# What is of an organisation and does not go along; what else stays goes with the row that it belongs to, or after a while.
BOUND = (
    Moved(voice_sessions, _ORGANISATION, also=(_OWNER,)),
    Moved(sign_ins, _USER),
    Moved(setup_links, _USER),
)
# Columns that name files of the blob store.
BLOB_COLUMNS: tuple[sa.Column[str], ...] = (
    documents.c.blob_key,
    document_standings.c.blob_key,
    hosted_files.c.blob,
)
# What lets people and programs in; left out when asked for.
KEYS = ("api_keys", "passwords")
# Numbers that people or programs outside may have written down.
KNOWN_OUTSIDE = ("users", "agent_numbers", "tool_servers", "answers", "conversations", "deep_runs")
# What stays, and why.
STAYS: Mapping[str, str] = {
    "facts": "of the server, not of an organisation",
    "versions": "of the server, not of an organisation",
    "journal_offsets": "of the server, not of an organisation",
    "embedders": "the other server numbers its spaces itself",
    "jobs": "made anew for what is still to be done",
    "reembeddings": "made anew",
    "reembedded_passages": "made anew",
    "budget_counters": "counted anew from usage",
    "budget_shares": "of processes that run",
    "budget_holds": "of processes that run",
    "channel_hooks": "told anew with the next call",
    "chat_rates": "hold for minutes",
    "chat_events": "of answers under way",
    "voice_sessions": "of calls under way",
    "sign_ins": "people sign in anew",
    "setup_links": "hold for minutes",
    "sign_in_flows": "hold for minutes",
    "failed_sign_ins": "hold for minutes",
}
