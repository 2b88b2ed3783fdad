"""Who leaves planned messages unanswered."""

from sqlalchemy import Connection

from dragoman.domain.chat.model import ChatClient
from dragoman.domain.memories.model import person_of
from dragoman.domain.schedules import repository
from dragoman.domain.schedules.model import InactiveUser


def is_inactive(connection: Connection, client: ChatClient, external_user_id: str) -> bool:
    """Whether somebody has left planned messages unanswered for longer than the client bears."""
    return bool(inactive_users(connection, client, person_of(external_user_id) or external_user_id))


def inactive_users(connection: Connection, client: ChatClient, person: str | None) -> list[InactiveUser]:
    """Who has left planned messages unanswered for longer than the client bears.

    What somebody wrote may be deleted; then the planning counts, which came out of a conversation.
    """
    patience = client.draft.spec.ignored_after_ms
    if not patience:
        return []
    written = repository.last_written(connection, client.id, person)
    return [
        InactiveUser(external_user_id, sent_at, written.get(name))
        for name, (external_user_id, sent_at, planned_at) in sorted(
            repository.last_scheduled(connection, client.id, person).items()
        )
        if sent_at - written.get(name, planned_at) > patience
    ]
