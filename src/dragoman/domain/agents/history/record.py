"""Writing a version down, in the transaction of the change itself."""

from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.history import repository
from dragoman.domain.agents.history.model import AgentVersion
from dragoman.domain.agents.model import StoredAgent

_KEPT = 50
_UNKNOWN = ""


def note(connection: Connection, caller: Caller, agent: StoredAgent, before: StoredAgent | None) -> None:
    """Keeps what the agent is set to now, and what it was ``before`` when that was never written down; a new one was nothing."""
    last = 0 if before is None else repository.last_number(connection, agent.id)
    if last == 0 and before is not None:
        last = 1
        _insert(connection, before, last, _UNKNOWN)
    _insert(connection, agent, last + 1, caller.email)


def _insert(connection: Connection, agent: StoredAgent, number: int, by: str) -> None:
    version = AgentVersion(number, agent.name, agent.spec, agent.extensions, by, agent.updated_at)
    repository.insert(connection, agent.id, version, kept=_KEPT)
