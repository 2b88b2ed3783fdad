"""An account's agents as lists show them, kept in memory: an account may have ten thousand."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts_repository
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents import repository
from dragoman.domain.agents.model import AgentKind, AgentSummary, StoredAgent

_MOST_ROWS = 100_000


class Listing:
    """The agents of one account and kind at one moment, oldest first; it never changes."""

    def __init__(self, rows: dict[str, AgentSummary]) -> None:
        self.rows = rows

    @cached_property
    def _texts(self) -> list[tuple[str, AgentSummary]]:
        return [
            (f"{row.name}\n{row.slug}\n{row.id}\n{row.model}".casefold(), row) for row in self.rows.values()
        ]

    def select(self, wanted: str | None, *, limit: int, offset: int) -> Sequence[AgentSummary]:
        """Those whose name, slug, id or model holds the text, in any case; None or empty = all."""
        if not wanted:
            return list(self.rows.values())[offset : offset + limit]
        sought = wanted.casefold()
        found = [row for text, row in self._texts if sought in text]
        return found[offset : offset + limit]

    def changed(self, row: AgentSummary) -> "Listing":
        """The listing with this row in place of the one of its id, or added."""
        rows = {**self.rows, row.id: row}
        in_order = row.id in self.rows or not self.rows or row.id > next(reversed(self.rows))
        return Listing(rows if in_order else dict(sorted(rows.items())))

    def without(self, agent_id: str) -> "Listing":
        """The listing without the agent of that id."""
        return Listing({key: row for key, row in self.rows.items() if key != agent_id})


_Key = tuple[str, AgentKind]


class Listings:
    """The listings that were read last.

    Every change raises the account's own version in its transaction. A listing is used only while its version is the
    database's, so that a change made by any process is seen by the next list.
    """

    def __init__(self, database: Database, *, most_rows: int = _MOST_ROWS) -> None:
        self._database = database
        self._most_rows = most_rows
        self._known: OrderedDict[_Key, tuple[int, Listing]] = OrderedDict()

    async def of(self, caller: Caller, kind: AgentKind) -> Listing:
        """The caller's agents of that kind, as they are now."""
        key = (caller.user_id, kind)
        known = self._known.get(key)
        version, rows = await self._database.read(_read, caller, kind, None if known is None else known[0])
        if rows is None:
            assert known is not None
            if key in self._known:
                self._known.move_to_end(key)
            return known[1]
        listing = Listing({row.id: row for row in rows})
        self._keep(key, version, listing)
        return listing

    def note(self, agent: StoredAgent, version: int) -> None:
        """Takes over a change that raised the version to this."""
        row = AgentSummary(
            agent.id, agent.name, agent.slug, agent.spec.model, agent.spec.endpoint, agent.created_at
        )
        self._apply((agent.owner_id, agent.kind), version, lambda listing: listing.changed(row))

    def note_deleted(self, caller: Caller, kind: AgentKind, agent_id: str, version: int) -> None:
        """Takes over a deletion that raised the version to this."""
        self._apply((caller.user_id, kind), version, lambda listing: listing.without(agent_id))

    def _apply(self, key: _Key, version: int, change: Callable[[Listing], Listing]) -> None:
        known = self._known.get(key)
        # A listing that lacks an earlier change stays behind, and is read anew when it is asked for.
        if known is not None and known[0] == version - 1:
            self._keep(key, version, change(known[1]))

    def _keep(self, key: _Key, version: int, listing: Listing) -> None:
        self._known[key] = (version, listing)
        self._known.move_to_end(key)
        total = sum(len(known.rows) for _, known in self._known.values())
        while total > self._most_rows and len(self._known) > 1:
            _, (_, dropped) = self._known.popitem(last=False)
            total -= len(dropped.rows)


def _topic(user_id: str, kind: AgentKind) -> str:
    return f"agents:{kind}:{user_id}"


def raise_version(connection: Connection, user_id: str, kind: AgentKind) -> int:
    """The account's version after this change, in whose transaction it is raised."""
    return accounts_repository.raise_version(connection, _topic(user_id, kind))


def _read(
    connection: Connection, caller: Caller, kind: AgentKind, known: int | None
) -> tuple[int, list[AgentSummary] | None]:
    """The version and, unless it is the known one, the rows of it."""
    version = accounts_repository.version_of(connection, _topic(caller.user_id, kind))
    if version == known:
        return version, None
    return version, repository.select(connection, caller, kind)
