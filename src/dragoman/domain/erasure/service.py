"""Erases people on behalf of the operator: first tells what there is, then removes it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit import repository as audit
from dragoman.domain.accounts.audit.chain import REDACTED
from dragoman.domain.accounts.audit.record import record_by_operator
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.erasure import repository
from dragoman.domain.erasure.model import Erased
from dragoman.domain.knowledge.clearing import clear_collection
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.usage.budgets.service import TOPIC as BUDGETS
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound

_REDACTED_AT_ONCE = 500
_REASON = "erasure of a person"
_DAY_MS = 86_400_000


class Erasure:
    """Removes what is about a person. Asked again after it was cut short, it goes on where it was.

    Args:
        forget_folders: removes the files that programs have left for a user; gives how many folders.
        forget_persons: removes those that programs of these users have left for somebody whom agents talk to.
    """

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        blobs: BlobStore,
        forget_folders: Callable[[str], Awaitable[int]],
        forget_persons: Callable[[Sequence[str], str], Awaitable[int]],
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._blobs = blobs
        self._forget_folders = forget_folders
        self._forget_persons = forget_persons

    async def look(self, email: str) -> Erased:
        """What erasing a user would remove.

        Raises:
            NotFound: there is no such user.
        """
        return await self._database.read(self._found, email)

    async def user(self, email: str, *, heir: str | None = None) -> Erased:
        """Removes a user and what is theirs; the sums of what they used stay.

        Args:
            heir: a colleague's e-mail, who gets the user's collections instead of their being removed.

        Raises:
            NotFound: there is no such user, or no such colleague.
            Conflict: other users would be left without an owner.
        """
        user, found = await self._database.write(self._locked_out, email, heir)
        files = 0
        for key, _ in await self._database.read(repository.collections_of, user.id):
            files += await clear_collection(self._database, self._indexing, self._blobs, key)
        blobs = await self._database.read(repository.hosted_blobs, user.id)
        await self._database.write(self._erased, user, found)
        for blob in blobs:
            await self._blobs.delete(blob)
        files += len(blobs) + await self._forget_folders(user.id)
        return replace(found, files=files)

    async def look_at_person(self, organisation: str, person: str) -> Erased:
        """What erasing somebody whom an organisation's agents talk to would remove.

        Raises:
            NotFound: there is no such organisation.
        """
        return await self._database.read(self._found_person, organisation, person)

    async def person(self, organisation: str, person: str) -> Erased:
        """Removes what is about somebody whom an organisation's agents talk to.

        Raises:
            NotFound: there is no such organisation, or nothing about such a person.
        """

        looked = await self.look_at_person(organisation, person)
        users = await self._database.read(repository.users_of, looked.organisation_id)
        folders = await self._forget_persons(users, person)

        def erase(connection: Connection) -> Erased:
            found = self._found_person(connection, organisation, person)
            if not (folders or found.removed or found.cleared or found.redacted):
                raise NotFound(f"Nothing is kept about {person!r}.", code="person_not_found")
            repository.erase_person(connection, found.organisation_id, person)
            Versions.announce(connection, BUDGETS)
            self._redact(connection, found.organisation_id, [person])
            record_by_operator(
                connection, found.organisation_id, "person.erased", "person", removed={**found.removed}
            )
            return found

        return replace(await self._database.write(erase), files=folders)

    def _found(self, connection: Connection, email: str) -> Erased:
        user = _user(connection, email)
        removed, cleared = repository.of_user(connection, user.id, user.email)
        owned = repository.collections_of(connection, user.id)
        events = repository.events_about(connection, user.organisation_id, _words(user))
        if owned:
            removed["collections"] = len(owned)
        return Erased(user.email, user.organisation_id, removed, cleared, len(events))

    def _locked_out(self, connection: Connection, email: str, heir: str | None) -> tuple[User, Erased]:
        user = _user(connection, email)
        owners, others = repository.owners_left(connection, user.organisation_id, user.id)
        if user.role == "owner" and others and not owners:
            raise Conflict(
                "The organisation would be left without an owner: make another one first.", code="last_owner"
            )
        if heir is not None:
            colleague = accounts.user_by_email(connection, heir.strip().lower())
            if colleague is None or colleague.organisation_id != user.organisation_id or colleague == user:
                raise NotFound(f"There is no colleague {heir}.", code="user_not_found", param="heir")
            repository.hand_over(connection, user.id, colleague.id)
        accounts.set_disabled(connection, user.email, True)
        accounts.raise_version(connection, accounts.KEYS_TOPIC)
        return user, self._found(connection, user.email)

    def _erased(self, connection: Connection, user: User, found: Erased) -> None:
        repository.erase_user(connection, user.id, user.email)
        accounts.raise_version(connection, accounts.KEYS_TOPIC)
        self._redact(connection, user.organisation_id, _words(user))
        counts = {**found.removed}
        record_by_operator(connection, user.organisation_id, "user.erased", user.id, removed=counts)

    @staticmethod
    def _redact(connection: Connection, organisation_id: str, words: list[str]) -> None:
        numbers = repository.events_about(connection, organisation_id, words)
        for start in range(0, len(numbers), _REDACTED_AT_ONCE):
            gone = audit.redact(connection, organisation_id, numbers[start : start + _REDACTED_AT_ONCE])
            if gone:
                record_by_operator(
                    connection, organisation_id, REDACTED, "audit", numbers=[*gone], reason=_REASON
                )

    @staticmethod
    def _found_person(connection: Connection, organisation: str, person: str) -> Erased:
        if not person.strip():
            raise InvalidInput("Say who: the id by which the agents know the person.", param="person")
        organisation_id = accounts.organisation_id(connection, organisation)
        if organisation_id is None:
            raise NotFound(f"There is no organisation {organisation!r}.", code="organisation_not_found")
        removed, cleared = repository.of_person(connection, organisation_id, person)
        events = repository.events_about(connection, organisation_id, [person])
        return Erased(person, organisation_id, removed, cleared, len(events))


class Retention:
    """Removes what has been kept for as long as the settings say, and what came late about erased users.

    Args:
        days: by kind; 0 keeps for ever.
    """

    def __init__(self, database: Database, days: Mapping[str, int]) -> None:
        self._database = database
        self._days = days

    async def sweep(self) -> int:
        """How many rows were removed, in bounded steps."""
        total = await self._database.write(repository.forget_late)
        for kind, days in self._days.items():
            before = now_ms() - days * _DAY_MS
            while days and (gone := await self._database.write(repository.forget_aged, kind, before)):
                total += gone
        return total


def _user(connection: Connection, email: str) -> User:
    user = accounts.user_by_email(connection, email.strip().lower())
    if user is None:
        raise NotFound(f"There is no user {email}.", code="user_not_found", param="email")
    return user


def _words(user: User) -> list[str]:
    return [user.email, user.id, *([user.name] if user.name else [])]
