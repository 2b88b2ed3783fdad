"""The switches of accounts, kept in memory for those who may not wait for the database."""

from collections import OrderedDict
from collections.abc import Mapping

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.jsontypes import JsonValue

TOPIC = "switches"
# Have every JSON answer checked against its schema; keep what is said over the API.
HEAL_JSON = "heal_json"
LOG_CONVERSATIONS = "log_conversations"
_REMEMBERED = 10_000


class Switches:
    """Each account's switches as last read; a change, here or in another process, has them read anew."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._database = database
        self._known: OrderedDict[str, Mapping[str, JsonValue]] = OrderedDict()
        self._generation = 0
        versions.subscribe(TOPIC, self.forget)

    def known(self, caller: Caller) -> Mapping[str, JsonValue] | None:
        """The caller's switches if they are in memory."""
        return self._known.get(caller.user_id)

    async def of(self, caller: Caller) -> Mapping[str, JsonValue]:
        """The caller's switches."""
        known = self.known(caller)
        if known is not None:
            return known
        generation = self._generation
        found = await self._database.read(repository.user_settings, caller)
        # What was read before a change must not be kept after it.
        if generation == self._generation:
            self._known[caller.user_id] = found
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def forget(self) -> None:
        """Drops what is remembered."""
        self._generation += 1
        self._known.clear()
