"""Sharing collections: with single colleagues, with groups, or with everybody of the organisation."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups import repository as groups
from dragoman.domain.accounts.roles import require
from dragoman.domain.knowledge.model import Collection
from dragoman.domain.knowledge.repository import collections, grants
from dragoman.domain.knowledge.repository.grants import Grant as Grant
from dragoman.domain.knowledge.repository.grants import GroupGrant as GroupGrant
from dragoman.domain.knowledge.repository.grants import Permission as Permission
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, InvalidInput, NotFound

_RANKS: dict[str, int] = {"read": 1, "edit": 2, "admin": 3, "owner": 4}


@dataclass(frozen=True, slots=True)
class Shared:
    """A collection with what the caller may do there; ``users`` and ``groups`` are empty for who may not share it."""

    collection: Collection
    permission: Permission
    users: tuple[Grant, ...] = ()
    groups: tuple[GroupGrant, ...] = ()


class SharingService:
    """Who may use whose collections. Only its owner and those granted ``admin`` share a collection."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def visible(self, caller: Caller) -> list[tuple[Collection, Permission]]:
        """Every collection the caller may search, with what the caller may do there."""

        def load(connection: Connection) -> list[tuple[Collection, Permission]]:
            granted = grants.permissions(connection, caller)
            return [
                (found, _permission(caller, found, granted))
                for found in collections.visible(connection, caller)
            ]

        return await self._database.read(load)

    async def overview(self, caller: Caller) -> list[Shared]:
        """Every collection the caller may search, and with whom it is shared where the caller may share it."""

        def load(connection: Connection) -> list[Shared]:
            granted = grants.permissions(connection, caller)
            found = collections.visible(connection, caller)
            return [_shared(connection, one, _permission(caller, one, granted)) for one in found]

        return await self._database.read(load)

    async def shared(self, caller: Caller, collection_id: str) -> Shared:
        """A collection the caller may search, and with whom it is shared where the caller may share it.

        Raises:
            NotFound: no such collection for this caller.
        """

        def load(connection: Connection) -> Shared:
            found = collections.get(connection, caller, collection_id)
            held = _permission(caller, found, grants.permissions(connection, caller))
            return _shared(connection, found, held)

        return await self._database.read(load)

    async def permission(self, caller: Caller, collection_id: str) -> Permission:
        """What the caller may do with a collection.

        Raises:
            NotFound: no such collection for this caller.
        """
        return await self._database.read(_held, caller, collection_id)

    async def grant(self, caller: Caller, collection_id: str, email: str, permission: Permission) -> None:
        """Lets a colleague use a collection.

        Raises:
            NotFound: no such collection for this caller; with the code ``user_not_found``, no such colleague.
            Forbidden: the caller may not share it.
            InvalidInput: the colleague owns it.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            found = shareable(connection, caller, collection_id)
            user_id = colleague_of(connection, caller, email)
            if user_id == found.owner_id:
                raise InvalidInput("Its owner may use the dataset anyway.", param="email")
            grants.put(connection, found, user_id, permission)
            audit.record(
                connection, caller, "collection.shared", found.id, user=user_id, permission=permission
            )

        await self._database.write(store)

    async def revoke(self, caller: Caller, collection_id: str, email: str) -> None:
        """Takes a grant back; anybody may give up their own.

        Raises:
            NotFound: no such collection for this caller; with the code ``user_not_found``, nobody of that
                e-mail has a grant.
            Forbidden: the caller may not share it.
        """
        wanted = email.strip().lower()
        if wanted != caller.email:
            require(caller, "create")

        def remove(connection: Connection) -> None:
            if wanted == caller.email:
                found = collections.get(connection, caller, collection_id)
            else:
                found = shareable(connection, caller, collection_id)
            user_id = colleague_of(connection, caller, email)
            if not grants.remove(connection, found, user_id):
                raise _no_account()
            audit.record(connection, caller, "collection.unshared", found.id, user=user_id)

        await self._database.write(remove)

    async def grant_group(
        self, caller: Caller, collection_id: str, name: str, permission: Permission
    ) -> None:
        """Lets everybody in a group of the caller's organisation use a collection, who is in it then or later.

        Raises:
            NotFound: no such collection for this caller, or no such group (``group_not_found``).
            Forbidden: the caller may not share it.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            found = shareable(connection, caller, collection_id)
            group_id = group_of(connection, caller, name)
            grants.put_group(connection, found, group_id, permission)
            audit.record(
                connection, caller, "collection.shared", found.id, group=group_id, permission=permission
            )

        await self._database.write(store)

    async def revoke_group(self, caller: Caller, collection_id: str, name: str) -> None:
        """Takes a group's grant back.

        Raises:
            NotFound: no such collection for this caller, or the group has no grant (``group_not_found``).
            Forbidden: the caller may not share it.
        """
        require(caller, "create")

        def remove(connection: Connection) -> None:
            found = shareable(connection, caller, collection_id)
            group_id = group_of(connection, caller, name)
            if not grants.remove_group(connection, found, group_id):
                raise _no_group(name)
            audit.record(connection, caller, "collection.unshared", found.id, group=group_id)

        await self._database.write(remove)

    async def group_grants(self, caller: Caller, collection_id: str) -> list[GroupGrant]:
        """Every group that a collection was shared with.

        Raises:
            NotFound: no such collection for this caller.
            Forbidden: the caller may not share it.
        """

        def load(connection: Connection) -> list[GroupGrant]:
            return grants.groups_of_collection(connection, shareable(connection, caller, collection_id))

        return await self._database.read(load)

    async def grants(self, caller: Caller, collection_id: str) -> list[Grant]:
        """Everybody whom a collection was shared with.

        Raises:
            NotFound: no such collection for this caller.
            Forbidden: the caller may not share it.
        """

        def load(connection: Connection) -> list[Grant]:
            return grants.of_collection(connection, shareable(connection, caller, collection_id))

        return await self._database.read(load)

    async def colleague(self, caller: Caller, email: str) -> str:
        """The id of the user of that e-mail in the caller's organisation.

        Raises:
            NotFound: there is none; ``code`` is ``user_not_found``.
        """
        return await self._database.read(colleague_of, caller, email)

    async def open_to_organisation(self, caller: Caller, collection_id: str, *, opened: bool) -> None:
        """Lets everybody of the organisation search a collection, or no longer.

        Raises:
            NotFound: no such collection for this caller.
            Forbidden: the caller may not share it.
        """
        require(caller, "create")

        def change(connection: Connection) -> None:
            found = shareable(connection, caller, collection_id)
            visibility = "organisation" if opened else "private"
            grants.set_visibility(connection, found, visibility, self._clock_ms())
            audit.record(connection, caller, "collection.visibility_set", found.id, visibility=visibility)

        await self._database.write(change)


def at_least(held: str, wanted: str) -> bool:
    """Whether one permission includes another."""
    return _RANKS[held] >= _RANKS[wanted]


def _shared(connection: Connection, found: Collection, held: Permission) -> Shared:
    if not at_least(held, "admin"):
        return Shared(found, held)
    users, groups = grants.of_collection(connection, found), grants.groups_of_collection(connection, found)
    return Shared(found, held, tuple(users), tuple(groups))


def _permission(caller: Caller, found: Collection, granted: dict[int, str]) -> Permission:
    if found.owner_id == caller.user_id:
        return "owner"
    held = granted.get(found.key, "read")
    return "admin" if held == "admin" else "edit" if held == "edit" else "read"


def _held(connection: Connection, caller: Caller, collection_id: str) -> Permission:
    found = collections.get(connection, caller, collection_id)
    return _permission(caller, found, grants.permissions(connection, caller))


def shareable(connection: Connection, caller: Caller, collection_id: str) -> Collection:
    """A collection that the caller owns or administers.

    Raises:
        NotFound: no such collection for this caller.
        Forbidden: the caller may not share it.
    """
    found = collections.get(connection, caller, collection_id)
    if not at_least(_permission(caller, found, grants.permissions(connection, caller)), "admin"):
        raise Forbidden("Only its owner and its administrators may share this dataset.", code="not_shareable")
    return found


def colleague_of(connection: Connection, caller: Caller, email: str) -> str:
    """The id of the user of that e-mail in the caller's organisation.

    Raises:
        NotFound: there is none.
    """
    user_id = grants.colleague(connection, caller, email.strip().lower())
    if user_id is None:
        raise _no_account()
    return user_id


def group_of(connection: Connection, caller: Caller, name: str) -> str:
    """The id of the group of that name or id in the caller's organisation.

    Raises:
        NotFound: there is none.
    """
    group_id = groups.id_of(connection, caller.organisation_id, name.strip())
    if group_id is None:
        raise _no_group(name)
    return group_id


def _no_group(name: str) -> NotFound:
    return NotFound(f"There is no group {name!r}.", code="group_not_found", param="group")


def _no_account() -> NotFound:
    return NotFound("No account.", code="user_not_found", param="email")
