"""The organisations of the server."""

from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants import repository
from dragoman.domain.accounts.tenants.repository import Organisation as Organisation
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

_LONGEST_NAME = 200


class TenantsService:
    """Organisations, for the operator."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def organisations(self) -> list[Organisation]:
        """Every organisation of the server, oldest first. For the operator."""
        return await self._database.read(repository.select)

    async def organisation(self, name: str | None) -> Organisation:
        """The organisation of that name or id; without one, the only one there is. For the operator.

        Raises:
            NotFound: there is no such organisation.
            InvalidInput: none was named and there are several.
        """
        found = await self.organisations()
        chosen = [one for one in found if name in (None, one.name, one.id)]
        if not chosen:
            raise NotFound(f"There is no organisation {name!r}.", code="organisation_not_found")
        if len(chosen) > 1:
            raise InvalidInput("There are several organisations: say which with --organisation.")
        return chosen[0]

    async def create(self, name: str, *, operator: str | None = None) -> Organisation:
        """A new organisation without users. For the operator, who may be the person of that e-mail.

        Raises:
            InvalidInput: the name is empty or too long.
            Conflict: there is one of that name.
        """
        name = name.strip()
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise InvalidInput(f"An organisation's name has 1 to {_LONGEST_NAME} characters.", param="name")
        made = Organisation(uuid7(), name, self._clock_ms())

        def store(connection: Connection) -> None:
            if accounts.organisation_id(connection, name) is not None:
                raise Conflict(
                    f"There is an organisation {name!r} already.", code="organisation_exists", param="name"
                )
            values = {"id": made.id, "name": name, "created_at": made.created_at}
            accounts.insert_organisation(connection, values)
            Steward(made.id, operator=operator).note(connection, "organisation.created", made.id, name=name)

        await self._database.write(store)
        return made
