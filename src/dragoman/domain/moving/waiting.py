"""What was still to be done or under way when an organisation left: begun anew here, or ended with a word."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from dragoman.domain.chat.sessions import new_access_key
from dragoman.domain.knowledge import jobs as reading
from dragoman.domain.moving import repository
from dragoman.domain.moving.rows import Row
from dragoman.domain.moving.sealed import Secrets
from dragoman.domain.schedules import jobs as planning
from dragoman.domain.schedules import repository as schedules
from dragoman.kit.digest import text_digest

_MOVED = "The conversation was moved to another server while this waited; the old server may have handled it."


def settle(table: str, row: Row, *, at: int, fill: Secrets) -> None:
    """Changes a row to what it is at its arrival: nothing is under way, and what may be done elsewhere is not done twice."""
    change = _SETTLED.get(table)
    if change is not None:
        change(row, at)
    for one in fill.missing(table, row):
        row[one.column] = fill.sealed(one, row, _new_value(table, row))


def _new_value(table: str, row: Row) -> bytes:
    if table == "chat_sessions":
        key = new_access_key()
        row["key_digest"] = text_digest(key)
        return key.encode()
    row["active"] = False
    return b"{}"


def _organisation(row: Row, at: int) -> None:
    # The oldest organisation of a server is the one that runs it.
    row["created_at"] = at


def _session(row: Row, _at: int) -> None:
    row.update(turn_id=None, turn_until=None, turn_cancelled=False)


def _inbound(row: Row, _at: int) -> None:
    if row["state"] in ("waiting", "asked"):
        row.update(state="failed", error=_MOVED)


def _outbound(row: Row, _at: int) -> None:
    if row["state"] in ("queued", "sending"):
        row.update(state="dead", error=_MOVED)


def _deep(row: Row, _at: int) -> None:
    if row["state"] == "working":
        row.update(state="failed")


def _approval(row: Row, at: int) -> None:
    if row["state"] in ("pending", "approved"):
        row["expires_at"] = min(row["expires_at"], at)


def _recurring(row: Row, _at: int) -> None:
    row["active_at"] = None


_SETTLED: Mapping[str, Callable[[dict[str, Any], int], None]] = {
    "organisations": _organisation,
    "chat_sessions": _session,
    "channel_inbound": _inbound,
    "channel_outbound": _outbound,
    "deep_runs": _deep,
    "tool_approvals": _approval,
    "chat_recurring_tasks": _recurring,
}


def enqueue(connection: Connection, organisation_id: str) -> None:
    """Queues what is still to be done: documents to read and embed, messages to send at their time."""
    for document in repository.unfinished_documents(connection, organisation_id):
        if document.state == "embedding":
            reading.enqueue_embed(connection, [document])
        elif document.blob_key is not None:
            reading.enqueue_read(connection, document)
        else:
            reading.enqueue_index(connection, [document])
    for client_id in repository.clients(connection, organisation_id):
        for schedule in schedules.schedules(connection, client_id, None):
            if schedule.activated_at is None:
                planning.enqueue_once(connection, schedule)
        for task in schedules.recurring(connection, client_id, None):
            planning.enqueue_again(connection, task)
