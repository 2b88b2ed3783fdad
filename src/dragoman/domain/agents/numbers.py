"""Agents by whole numbers, for vocabularies that know no other ids."""

from collections.abc import Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents import repository
from dragoman.domain.agents.model import AgentKind, StoredAgent
from dragoman.domain.agents.vault import AgentVault
from dragoman.kit.errors import NotFound

# Below are numbers that vocabularies give to what they bring along.
FIRST = 1000


class AgentNumbers:
    """Numbers of agents from 1,000 on; each agent keeps the one it got, and none is given twice."""

    def __init__(self, database: Database, vault: AgentVault) -> None:
        self._database = database
        self._vault = vault

    async def numbered(self, caller: Caller, kind: AgentKind | None) -> list[tuple[int, StoredAgent]]:
        """The caller's agents with their numbers, oldest first; None = of every kind."""
        kinds: tuple[AgentKind, ...] = ("gateway", "persona") if kind is None else (kind,)

        def load(connection: Connection) -> list[tuple[int, StoredAgent]]:
            found = [self._vault.opened(one) for one in repository.whole(connection, caller, kinds)]
            return list(zip(_numbers(connection, [agent.id for agent in found]), found, strict=True))

        return await self._database.write(load)

    async def number(self, agent_id: str) -> int:
        """The number of an agent that was found for the caller before."""
        return (await self._database.write(_numbers, [agent_id]))[0]

    async def get(self, caller: Caller, kind: AgentKind | None, number: int) -> StoredAgent:
        """The caller's agent of that number.

        Raises:
            NotFound: the caller has no such agent.
        """
        kinds: tuple[AgentKind, ...] = ("gateway", "persona") if kind is None else (kind,)

        def load(connection: Connection) -> StoredAgent:
            agent_id = repository.agent_numbered(connection, number - FIRST)
            found = repository.whole(connection, caller, kinds, only=agent_id) if agent_id else []
            if not found:
                word = kind or "agent"
                raise NotFound(f"There is no {word} {number}.", code=f"{word}_not_found")
            return self._vault.opened(found[0])

        return await self._database.read(load)


def _numbers(connection: Connection, agent_ids: Sequence[str]) -> list[int]:
    known = repository.numbers_of(connection, agent_ids)
    for agent_id in agent_ids:
        if agent_id not in known:
            known[agent_id] = repository.give_number(connection, agent_id)
    return [FIRST + known[agent_id] for agent_id in agent_ids]
