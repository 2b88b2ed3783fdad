"""Organisations and the roles in them."""

from collections.abc import Callable
from typing import get_args

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Role
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants import repository
from dragoman.domain.accounts.tenants.repository import Organisation as Organisation
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

ROLES: tuple[Role, ...] = get_args(Role)
_LONGEST_NAME = 200


class TenantsService:
    """Organisations for the operator, and the users of one for who looks after it."""

    def __init__(
        self, database: Database, versions: Versions, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._versions = versions
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

    async def create(self, name: str) -> Organisation:
        """A new organisation without users. For the operator.

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
            audit.record_by_operator(connection, made.id, "organisation.created", made.id, name=name)

        await self._database.write(store)
        return made

    async def members(self, steward: Steward) -> list[User]:
        """The organisation's users, oldest first."""
        return await self._database.read(repository.members, steward.organisation_id)

    async def set_role(self, steward: Steward, email: str, role: Role) -> User:
        """Gives a user of the organisation another role; it holds from their next request on.

        Raises:
            NotFound: the organisation has no such user.
            Forbidden: an administrator touches an owner, or would make one.
            Conflict: the organisation would be left without an owner.
        """

        def change(connection: Connection) -> User:
            user = accounts.user_by_email(connection, email.strip().lower())
            if user is None or user.organisation_id != steward.organisation_id:
                raise NotFound(
                    f"There is no user {email} in the organisation.", code="user_not_found", param="email"
                )
            by_owner = steward.caller is None or steward.caller.role == "owner"
            if not by_owner and "owner" in (user.role, role):
                raise Forbidden("Only an owner may make or change owners.", code="role_needed")
            held = repository.owners(connection, steward.organisation_id)
            if role != "owner" and held == [user.id]:
                raise Conflict(
                    "The organisation would be left without an owner: make another one first.",
                    code="last_owner",
                )
            repository.set_role(connection, user.id, role)
            accounts.raise_version(connection, accounts.KEYS_TOPIC)
            steward.note(connection, "user.role_changed", user.id, role=role, before=user.role)
            changed = accounts.user_by_email(connection, user.email)
            assert changed is not None
            return changed

        changed = await self._database.write(change)
        await self._versions.check()
        return changed
