"""Groups: made, filled and listed by who looks after an organisation."""

from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups import repository
from dragoman.domain.accounts.groups.repository import Group as Group
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

_LONGEST_NAME = 200


class GroupsService:
    """The groups of organisations. Leaving a group holds at the next request."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def select(self, steward: Steward) -> list[Group]:
        """The organisation's groups with their members, by name."""
        return await self._database.read(repository.select, steward.organisation_id)

    async def names(self, caller: Caller) -> list[str]:
        """The names of the groups in the caller's organisation, for whoever shares with them."""
        found = await self._database.read(repository.select, caller.organisation_id)
        return [one.name for one in found]

    async def create(self, steward: Steward, name: str) -> Group:
        """A new group without members.

        Raises:
            InvalidInput: the name is empty or too long.
            Conflict: there is a group of that name.
        """
        name = name.strip()
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise InvalidInput(f"A group's name has 1 to {_LONGEST_NAME} characters.", param="name")
        group = Group(uuid7(), steward.organisation_id, name, self._clock_ms())

        def store(connection: Connection) -> None:
            if repository.id_of(connection, steward.organisation_id, name) is not None:
                raise Conflict(f"There is a group {name!r} already.", code="group_exists", param="name")
            repository.insert(connection, group)
            steward.note(connection, "group.created", group.id, name=name)

        await self._database.write(store)
        return group

    async def delete(self, steward: Steward, name: str) -> None:
        """Removes a group; what was shared with it is so no longer.

        Raises:
            NotFound: the organisation has no such group.
        """

        def remove(connection: Connection) -> None:
            group_id = _group(connection, steward, name)
            repository.delete(connection, group_id)
            steward.note(connection, "group.deleted", group_id, name=name)

        await self._database.write(remove)

    async def add(self, steward: Steward, name: str, email: str) -> None:
        """Puts a user of the organisation into a group; harmless when they are.

        Raises:
            NotFound: the organisation has no such group or user.
        """

        def store(connection: Connection) -> None:
            group_id, user_id = _group(connection, steward, name), _member(connection, steward, email)
            repository.add(connection, group_id, user_id)
            steward.note(connection, "group.member_added", group_id, name=name, user=user_id)

        await self._database.write(store)

    async def remove(self, steward: Steward, name: str, email: str) -> None:
        """Takes a user out of a group.

        Raises:
            NotFound: the organisation has no such group or user, or the user is not in it.
        """

        def take_out(connection: Connection) -> None:
            group_id, user_id = _group(connection, steward, name), _member(connection, steward, email)
            if not repository.remove(connection, group_id, user_id):
                raise NotFound(f"{email} is not in the group {name!r}.", code="not_a_member", param="email")
            steward.note(connection, "group.member_removed", group_id, name=name, user=user_id)

        await self._database.write(take_out)


def _group(connection: Connection, steward: Steward, name: str) -> str:
    found = repository.id_of(connection, steward.organisation_id, name)
    if found is None:
        raise NotFound(
            f"There is no group {name!r} in the organisation.", code="group_not_found", param="group"
        )
    return found


def _member(connection: Connection, steward: Steward, email: str) -> str:
    user = accounts.user_by_email(connection, email.strip().lower())
    if user is None or user.organisation_id != steward.organisation_id:
        raise NotFound(f"There is no user {email} in the organisation.", code="user_not_found", param="email")
    return user.id
