"""The users of an organisation and their keys, for who looks after it: an administrator, or the server's operator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.admin import clean_email, new_user_values
from dragoman.domain.accounts.caller import Role
from dragoman.domain.accounts.model import ApiKey, User
from dragoman.domain.accounts.signin import repository as signin
from dragoman.domain.accounts.signin.model import SetupLink
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants import repository as tenants
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Member:
    """A user of the organisation; whether they have set a password."""

    user: User
    has_password: bool


class MembersService:
    """Users are named by their id or e-mail; nobody but an owner and the operator makes, changes or locks out owners."""

    def __init__(
        self,
        database: Database,
        versions: Versions,
        signin: SignIn,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._versions = versions
        self._signin = signin
        self._clock_ms = clock_ms

    async def select(self, steward: Steward) -> list[Member]:
        """Everybody in the organisation, oldest first."""

        def look(connection: Connection) -> list[Member]:
            able = signin.with_password(connection, steward.organisation_id)
            found = tenants.members(connection, steward.organisation_id)
            return [Member(user, user.id in able) for user in found]

        return await self._database.read(look)

    async def invite(
        self, steward: Steward, email: str, role: Role, *, name: str | None = None
    ) -> tuple[User, SetupLink]:
        """A new user of the organisation, and a link for them to set a password.

        Raises:
            Forbidden: the new user would be above the steward.
            InvalidInput: the e-mail or the role is none.
            Conflict: there is such a user.
        """
        email = clean_email(email)
        _check_role(steward, role)

        def store(connection: Connection) -> tuple[User, SetupLink]:
            if repository.user_by_email(connection, email) is not None:
                raise Conflict(f"There is a user {email} already.", code="user_exists", param="email")
            values = new_user_values(email, steward.organisation_id, role, name=name, now_ms=self._clock_ms())
            repository.insert_user(connection, values)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            user = repository.user_by_email(connection, email)
            assert user is not None
            link = self._signin.new_link(connection, user)
            steward.note(connection, "user.created", user.id, email=email, role=role)
            return user, link

        made = await self._database.write(store)
        await self._versions.check()
        return made

    async def setup_link(self, steward: Steward, who: str) -> SetupLink:
        """A link for a user to set a password, in place of one that was forgotten.

        Raises:
            Forbidden: the user is above the steward.
            NotFound: the organisation has no such user.
        """

        def make(connection: Connection) -> SetupLink:
            user = _member(connection, steward, who)
            link = self._signin.new_link(connection, user)
            steward.note(connection, "setup_link.made", user.id)
            return link

        return await self._database.write(make)

    async def set_role(self, steward: Steward, who: str, role: Role) -> User:
        """Gives a user another role; it holds from their next request on.

        Raises:
            Forbidden: the user is above the steward or would be.
            InvalidInput: the role is none.
            NotFound: the organisation has no such user.
            Conflict: the organisation would be left without an owner.
        """
        _check_role(steward, role)

        def change(connection: Connection) -> User:
            user = _member(connection, steward, who)
            if role != "owner":
                _check_owner_left(connection, user)
            tenants.set_role(connection, user.id, role)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            steward.note(connection, "user.role_changed", user.id, role=role, before=user.role)
            return _member(connection, steward, user.id, strict=False)

        changed = await self._database.write(change)
        await self._versions.check()
        return changed

    async def set_disabled(self, steward: Steward, who: str, disabled: bool) -> None:
        """Locks a user out, keys and sessions included, or lets them in again.

        Raises:
            Forbidden: the user is above the steward.
            NotFound: the organisation has no such user.
            Conflict: it is the steward, or the organisation would be left without an owner.
        """

        def change(connection: Connection) -> None:
            user = _member(connection, steward, who)
            if disabled and steward.caller is not None and user.id == steward.caller.user_id:
                raise Conflict("You cannot lock yourself out.", code="own_user")
            if disabled:
                _check_owner_left(connection, user)
                signin.delete_sessions(connection, user.id)
            repository.set_disabled(connection, user.email, disabled)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            steward.note(connection, "user.disabled" if disabled else "user.enabled", user.id)

        await self._database.write(change)
        await self._versions.check()

    async def end_sessions(self, steward: Steward, who: str) -> None:
        """Signs a user out of all pages; keys still hold.

        Raises:
            Forbidden: the user is above the steward.
            NotFound: the organisation has no such user.
        """

        def change(connection: Connection) -> None:
            user = _member(connection, steward, who)
            signin.delete_sessions(connection, user.id)
            steward.note(connection, "session.all_closed", user.id)

        await self._database.write(change)

    async def keys(self, steward: Steward) -> list[ApiKey]:
        """The keys of everybody in the organisation that are not revoked, oldest first."""
        return await self._database.read(repository.keys_of_organisation, steward.organisation_id)

    async def revoke_key(self, steward: Steward, key_id: str) -> None:
        """Ends a key of anybody in the organisation.

        Raises:
            Forbidden: the key's user is above the steward.
            NotFound: the organisation has no such key in force.
        """

        def revoke(connection: Connection) -> None:
            keys = repository.keys_of_organisation(connection, steward.organisation_id)
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise NotFound("There is no API key with this id.", code="api_key_not_found")
            _member(connection, steward, found.user_id)
            repository.revoke_any_key(connection, key_id, self._clock_ms())
            repository.raise_version(connection, repository.KEYS_TOPIC)
            steward.note(connection, "key.revoked", key_id, user=found.user_id)

        await self._database.write(revoke)
        await self._versions.check()


def _member(connection: Connection, steward: Steward, who: str, *, strict: bool = True) -> User:
    """The user of an id or e-mail; ``strict``: one whom the steward may change."""
    user = repository.user_by_id(connection, who) or repository.user_by_email(connection, who.strip().lower())
    if user is None or user.organisation_id != steward.organisation_id:
        raise NotFound(f"There is no user {who} in the organisation.", code="user_not_found")
    if strict and user.role == "owner" and not steward.is_owner:
        raise Forbidden("Only an owner may make or change owners.", code="role_needed")
    return user


def _check_role(steward: Steward, role: Role) -> None:
    if role not in ROLES:
        raise InvalidInput(f"{role!r} is no role: {', '.join(ROLES)}.", param="role")
    if role == "owner" and not steward.is_owner:
        raise Forbidden("Only an owner may make or change owners.", code="role_needed", param="role")


def _check_owner_left(connection: Connection, user: User) -> None:
    if tenants.owners(connection, user.organisation_id) == [user.id]:
        raise Conflict(
            "The organisation would be left without an owner: make another one first.", code="last_owner"
        )
