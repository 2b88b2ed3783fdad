"""The users of an organisation and their keys, for those of them who administer it."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.admin import clean_email, new_user_values
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller, Role
from dragoman.domain.accounts.model import ApiKey, User
from dragoman.domain.accounts.roles import require
from dragoman.domain.accounts.signin import repository as signin
from dragoman.domain.accounts.signin.model import SetupLink
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants import repository as tenants
from dragoman.domain.accounts.tenants.service import ROLES, TenantsService
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Member:
    """A user of the organisation; whether they have set a password."""

    user: User
    has_password: bool


class MembersService:
    """Every operation wants an administrator; nobody but an owner makes, changes or locks out owners."""

    def __init__(
        self,
        database: Database,
        versions: Versions,
        signin: SignIn,
        tenants: TenantsService,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._versions = versions
        self._signin = signin
        self._tenants = tenants
        self._clock_ms = clock_ms

    async def select(self, caller: Caller) -> list[Member]:
        """Everybody in the caller's organisation, oldest first.

        Raises:
            Forbidden: the caller is no administrator.
        """
        require(caller, "manage")

        def look(connection: Connection) -> list[Member]:
            able = signin.with_password(connection, caller.organisation_id)
            return [
                Member(user, user.id in able) for user in tenants.members(connection, caller.organisation_id)
            ]

        return await self._database.read(look)

    async def invite(
        self, caller: Caller, email: str, role: Role, *, name: str | None = None
    ) -> tuple[User, SetupLink]:
        """A new user of the caller's organisation, and a link for them to set a password.

        Raises:
            Forbidden: the caller is no administrator, or the new user would be above them.
            InvalidInput: the e-mail or the role is none.
            Conflict: there is such a user.
        """
        require(caller, "manage")
        email = clean_email(email)
        _check_role(caller, role)

        def store(connection: Connection) -> tuple[User, SetupLink]:
            if repository.user_by_email(connection, email) is not None:
                raise Conflict(f"There is a user {email} already.", code="user_exists", param="email")
            values = new_user_values(email, caller.organisation_id, role, name=name, now_ms=self._clock_ms())
            repository.insert_user(connection, values)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            user = repository.user_by_email(connection, email)
            assert user is not None
            link = self._signin.new_link(connection, user)
            audit.record(connection, caller, "user.created", user.id, email=email, role=role)
            return user, link

        made = await self._database.write(store)
        await self._versions.check()
        return made

    async def setup_link(self, caller: Caller, user_id: str) -> SetupLink:
        """A link for a user to set a password, in place of one that was forgotten.

        Raises:
            Forbidden: the caller is no administrator, or the user is above them.
            NotFound: the organisation has no such user.
        """
        require(caller, "manage")

        def make(connection: Connection) -> SetupLink:
            user = _member(connection, caller, user_id)
            link = self._signin.new_link(connection, user)
            audit.record(connection, caller, "setup_link.made", user.id)
            return link

        return await self._database.write(make)

    async def set_role(self, caller: Caller, user_id: str, role: Role) -> None:
        """Gives a user another role; it holds from their next request on.

        Raises:
            Forbidden: the caller is no administrator, or the user is above them or would be.
            InvalidInput: the role is none.
            NotFound: the organisation has no such user.
            Conflict: the organisation would be left without an owner.
        """
        _check_role(caller, role)

        def look(connection: Connection) -> User:
            return _member(connection, caller, user_id)

        steward = Steward.of(caller)
        await self._tenants.set_role(steward, (await self._database.read(look)).email, role)

    async def set_disabled(self, caller: Caller, user_id: str, disabled: bool) -> None:
        """Locks a user out, keys and sessions included, or lets them in again.

        Raises:
            Forbidden: the caller is no administrator, or the user is above them.
            NotFound: the organisation has no such user.
            Conflict: it is the caller, or the organisation would be left without an owner.
        """
        require(caller, "manage")

        def change(connection: Connection) -> None:
            user = _member(connection, caller, user_id)
            if disabled and user.id == caller.user_id:
                raise Conflict("You cannot lock yourself out.", code="own_user")
            if disabled:
                _check_owner_left(connection, user)
                signin.delete_sessions(connection, user.id)
            repository.set_disabled(connection, user.email, disabled)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            audit.record(connection, caller, "user.disabled" if disabled else "user.enabled", user.id)

        await self._database.write(change)
        await self._versions.check()

    async def keys(self, caller: Caller) -> list[ApiKey]:
        """The keys of everybody in the organisation that are not revoked, oldest first.

        Raises:
            Forbidden: the caller is no administrator.
        """
        require(caller, "manage")
        return await self._database.read(repository.keys_of_organisation, caller)

    async def revoke_key(self, caller: Caller, key_id: str) -> None:
        """Ends a key of anybody in the organisation.

        Raises:
            Forbidden: the caller is no administrator, or the key's user is above them.
            NotFound: the organisation has no such key in force.
        """
        require(caller, "manage")

        def revoke(connection: Connection) -> None:
            keys = repository.keys_of_organisation(connection, caller)
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise NotFound("There is no API key with this id.", code="api_key_not_found")
            _member(connection, caller, found.user_id)
            repository.revoke_any_key(connection, key_id, self._clock_ms())
            repository.raise_version(connection, repository.KEYS_TOPIC)
            audit.record(connection, caller, "key.revoked", key_id, user=found.user_id)

        await self._database.write(revoke)
        await self._versions.check()


def _member(connection: Connection, caller: Caller, user_id: str) -> User:
    user = repository.user_by_id(connection, user_id)
    if user is None or user.organisation_id != caller.organisation_id:
        raise NotFound("There is no user with this id.", code="user_not_found")
    if user.role == "owner" and caller.role != "owner":
        raise Forbidden("Only an owner may change owners.", code="role_needed")
    return user


def _check_role(caller: Caller, role: Role) -> None:
    if role not in ROLES:
        raise InvalidInput(f"{role!r} is no role: {', '.join(ROLES)}.", param="role")
    if role == "owner" and caller.role != "owner":
        raise Forbidden("Only an owner may make owners.", code="role_needed", param="role")


def _check_owner_left(connection: Connection, user: User) -> None:
    if tenants.owners(connection, user.organisation_id) == [user.id]:
        raise Conflict(
            "The organisation would be left without an owner: make another one first.", code="last_owner"
        )
