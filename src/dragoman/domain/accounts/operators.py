"""Who looks after the server itself: administrators of one organisation, by default the oldest."""

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import may
from dragoman.domain.accounts.tenants import repository
from dragoman.kit.errors import Forbidden


class Operators:
    """Tells a server's operators from administrators of an organisation that only lives on it.

    Args:
        organisation: name or id of the operators' organisation; without one it is the oldest.
    """

    def __init__(self, database: Database, organisation: str | None = None) -> None:
        self._database = database
        self._organisation = organisation

    async def include(self, caller: Caller) -> bool:
        """Whether the caller is one: an administrator of the operators' organisation who came with no public key."""
        if caller.key_kind != "private" or not may(caller, "manage"):
            return False
        return await self.home() == caller.organisation_id

    async def home(self) -> str | None:
        """The id of the operators' organisation; None when there is none."""
        return await self._database.read(self._home)

    async def require(self, caller: Caller) -> None:
        """Returns when the caller is one.

        Raises:
            Forbidden: the caller is not.
        """
        if not await self.include(caller):
            raise Forbidden(
                "Only administrators of the organisation that runs this server may see this.",
                code="operator_needed",
            )

    async def require_owner(self, caller: Caller) -> None:
        """Returns when the caller is one, and an owner.

        Raises:
            Forbidden: the caller is not.
        """
        await self.require(caller)
        if not may(caller, "own"):
            raise Forbidden(
                "Only owners of the organisation that runs this server may do this.", code="operator_needed"
            )

    def _home(self, connection: Connection) -> str | None:
        found = repository.select(connection)
        named = (one.id for one in found if self._organisation in (None, one.name, one.id))
        return next(named, None)
