"""Stored agents for callers: create, list, change, delete, and find by the name a client uses as its model."""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.agents import repository
from dragoman.domain.agents.history import record as history
from dragoman.domain.agents.history import repository as versions
from dragoman.domain.agents.history.model import AgentVersion
from dragoman.domain.agents.listing import Listing, Listings, raise_version
from dragoman.domain.agents.model import AgentKind, AgentSecrets, AgentSummary, ResolvedAgent, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.agents.vault import AgentVault
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.errors import Conflict, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonValue

_CACHED_NAMES = 20_000
_LISTED = 10_000


def slug_of(name: str, agent_id: str, *, tail: int = 4) -> str:
    """The name in slug form, a colon, and the last characters of the id: ``support-bot:50c3``."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "agent"
    return f"{words[:200]}:{agent_id.replace('-', '')[-tail:]}"


class AgentsService:
    """What a dialect may do with stored agents.

    ``find`` answers from memory: names are cached until ``forget`` is told that some agent of the database changed.
    """

    def __init__(
        self, *, database: Database, sealer: Sealer, announce: Callable[[Connection, str], None]
    ) -> None:
        self._database = database
        self.vault = AgentVault(sealer)
        self._announce = announce
        self._cache: OrderedDict[tuple[str, str], ResolvedAgent | None] = OrderedDict()
        self._generation = 0
        self._listings = Listings(database)

    async def create(
        self,
        caller: Caller,
        kind: AgentKind,
        name: str,
        spec: AgentSpec,
        *,
        secrets: AgentSecrets,
        extensions: Mapping[str, JsonValue],
    ) -> StoredAgent:
        """A new agent of the caller's own."""
        require(caller, "create")
        now, agent_id = now_ms(), uuid7()
        agent = StoredAgent(
            id=agent_id,
            organisation_id=caller.organisation_id,
            owner_id=caller.user_id,
            kind=kind,
            name=name,
            slug="",
            spec=spec,
            sealed=self.vault.seal(agent_id, secrets),
            extensions=extensions,
            created_at=now,
            updated_at=now,
        )

        def store(connection: Connection) -> tuple[StoredAgent, int]:
            named = replace(agent, slug=_free_slug(connection, caller, name, agent_id))
            repository.insert(connection, self.vault.closed(named))
            history.note(connection, caller, named, None)
            version = self._changed(connection, named)
            audit.record(connection, caller, f"{kind}.created", agent_id, name=name)
            return named, version

        stored, version = await self._database.write(store)
        self._listings.note(stored, version)
        self.forget()
        return stored

    async def get(self, caller: Caller, kind: AgentKind, agent_id: str) -> StoredAgent:
        """One agent of the caller's own.

        Raises:
            NotFound: the caller has no such agent.
        """
        return self.vault.opened(await self._database.read(repository.get, caller, agent_id, kind))

    async def listing(self, caller: Caller, kind: AgentKind) -> Listing:
        """All the caller's agents; the same object as long as none of them changes."""
        return await self._listings.of(caller, kind)

    async def select(
        self,
        caller: Caller,
        kind: AgentKind,
        wanted: str | None = None,
        *,
        limit: int = _LISTED,
        offset: int = 0,
    ) -> Sequence[AgentSummary]:
        """The caller's agents, oldest first; ``wanted`` is contained in name, slug, id or model."""
        listing = await self.listing(caller, kind)
        return listing.select(wanted, limit=limit, offset=offset)

    async def update(
        self, caller: Caller, agent: StoredAgent, *, secrets: AgentSecrets | None
    ) -> StoredAgent:
        """Stores changed settings; ``secrets`` None keeps those there are.

        Raises:
            NotFound: the agent is gone.
            Conflict: it was changed since it was read; read it again.
        """
        require(caller, "create")
        sealed = agent.sealed if secrets is None else self.vault.seal(agent.id, secrets)

        def store(connection: Connection) -> tuple[StoredAgent, int]:
            before = repository.get(connection, caller, agent.id, agent.kind)
            if before.updated_at != agent.updated_at:
                raise Conflict("The agent was changed meanwhile.", code="agent_changed")
            slug = before.slug
            if before.name != agent.name:
                slug = _free_slug(connection, caller, agent.name, agent.id)
            changed = replace(
                agent, slug=slug, sealed=sealed, updated_at=max(now_ms(), before.updated_at + 1)
            )
            repository.update(connection, self.vault.closed(changed))
            history.note(connection, caller, changed, before)
            version = self._changed(connection, changed)
            audit.record(connection, caller, f"{agent.kind}.changed", agent.id, name=agent.name)
            return changed, version

        changed, version = await self._database.write(store)
        self._listings.note(changed, version)
        self.forget()
        return changed

    async def delete(self, caller: Caller, kind: AgentKind, agent_id: str) -> None:
        """Removes an agent of the caller's own.

        Raises:
            NotFound: the caller has no such agent.
        """
        require(caller, "create")

        def remove(connection: Connection) -> int:
            agent = repository.get(connection, caller, agent_id, kind)
            repository.delete(connection, agent_id)
            version = self._changed(connection, agent)
            audit.record(connection, caller, f"{kind}.deleted", agent_id, name=agent.name)
            return version

        version = await self._database.write(remove)
        self._listings.note_deleted(caller, kind, agent_id, version)
        self.forget()

    async def versions(self, caller: Caller, kind: AgentKind, agent_id: str) -> list[AgentVersion]:
        """What one of the caller's agents was and is set to, the latest first.

        Raises:
            NotFound: the caller has no such agent.
        """

        def look(connection: Connection) -> list[AgentVersion]:
            return versions.select(connection, repository.get(connection, caller, agent_id, kind).id)

        return await self._database.read(look)

    async def restore(self, caller: Caller, kind: AgentKind, agent_id: str, number: int) -> StoredAgent:
        """The agent set to a version again, which makes a new version; its secrets stay.

        Raises:
            Forbidden: the caller's role does not allow changes.
            NotFound: the caller has no such agent, or it no such version.
            Conflict: it was changed at the same time.
        """
        require(caller, "create")
        known = await self.versions(caller, kind, agent_id)
        wanted = next((version for version in known if version.number == number), None)
        if wanted is None:
            raise NotFound(f"The {kind} has no version {number}.", code="version_not_found")
        agent = await self.get(caller, kind, agent_id)
        changed = replace(agent, name=wanted.name, spec=wanted.spec, extensions=wanted.extensions)
        return await self.update(caller, changed, secrets=None)

    def secrets(self, agent: StoredAgent) -> AgentSecrets:
        """The agent's secrets in clear, for use and never for show."""
        return self.vault.secrets(agent)

    def cached(self, caller: Caller, name: str) -> tuple[bool, ResolvedAgent | None]:
        """Whether the name is in memory and, if so, its agent (None = the caller has no agent of that name)."""
        key = (caller.user_id, name)
        if key in self._cache:
            return True, self._cache[key]
        return False, None

    async def find(self, caller: Caller, name: str) -> ResolvedAgent | None:
        """The caller's agent by id, slug or name; None when there is none."""
        known, agent = self.cached(caller, name)
        if known:
            return agent
        generation = self._generation
        stored = await self._database.read(repository.by_name, caller, name)
        resolved = None
        if stored is not None:
            spec, key = self.vault.opened(stored).spec, self.vault.secrets(stored).endpoint_key
            resolved = ResolvedAgent(stored.id, stored.slug, spec, key)
        if generation == self._generation:
            self._cache[(caller.user_id, name)] = resolved
        while len(self._cache) > _CACHED_NAMES:
            self._cache.popitem(last=False)
        return resolved

    async def forgotten(self) -> None:
        """``forget`` for those who tell of another process's change."""
        self.forget()

    def forget(self) -> None:
        """Drops what is remembered; the next ``find`` looks into the database."""
        self._generation += 1
        self._cache.clear()

    def _changed(self, connection: Connection, agent: StoredAgent) -> int:
        self._announce(connection, "agents")
        return raise_version(connection, agent.owner_id, agent.kind)


def _free_slug(connection: Connection, caller: Caller, name: str, agent_id: str) -> str:
    for tail in range(4, 33):
        slug = slug_of(name, agent_id, tail=tail)
        if not repository.slug_taken(connection, caller, slug):
            return slug
    return slug_of(name, agent_id, tail=32)
