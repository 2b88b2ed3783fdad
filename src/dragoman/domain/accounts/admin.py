"""What the server's operator may do with all accounts. No dialect hands these to a caller."""

import re
import secrets as randomness
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller, Role
from dragoman.domain.accounts.keytable import caller_of, key_digest
from dragoman.domain.accounts.model import ApiKey, KeyKind, User
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import api_key, uuid7

log = structlog.get_logger(__name__)

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}\Z")
_GIVEN_KEY = re.compile(r"[!-~]{20,200}\Z")
_DAY_MS = 86_400_000
_MOST_DAYS = 36_500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. Without ``organisation`` the user gets one of their own, named after the e-mail."""

    email: str
    organisation: str | None = None
    role: Role | None = None
    name: str | None = None


def clean_email(email: str) -> str:
    """The e-mail as it is stored: in lower case.

    Raises:
        InvalidInput: it is none.
    """
    cleaned = email.strip().lower()
    if not _EMAIL.match(cleaned):
        raise InvalidInput(f"{email!r} is not an e-mail address.", param="email")
    return cleaned


def new_salt() -> str:
    """64 random hexadecimal characters."""
    return randomness.token_hex(32)


def new_user_values(
    email: str, organisation_id: str, role: Role, *, name: str | None, now_ms: int
) -> dict[str, object]:
    """The row of a new user."""
    return {
        "id": uuid7(),
        "organisation_id": organisation_id,
        "email": email,
        "name": name,
        "role": role,
        "salt": new_salt(),
        "settings": {},
        "disabled": False,
        "created_at": now_ms,
    }


def new_key_values(
    user_id: str, label: str, days: int | None, *, kind: KeyKind, now_ms: int, text: str | None = None
) -> tuple[str, dict[str, object]]:
    """A key's text, new unless given, and its row; ``days`` None makes one that does not expire.

    Raises:
        InvalidInput: the label or the number of days is out of bounds.
    """
    if len(label) > _LONGEST_NAME:
        raise InvalidInput(f"A label has at most {_LONGEST_NAME} characters.", param="label")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise InvalidInput(f"A key lasts 1 to {_MOST_DAYS} days.", param="days")
    key = text or api_key()
    return key, {
        "id": uuid7(),
        "user_id": user_id,
        "digest": key_digest(key),
        "last_six": key[-6:],
        "label": label,
        "kind": kind,
        "expires_at": None if days is None else now_ms + days * _DAY_MS,
        "created_at": now_ms,
    }


class AccountsAdmin:
    """All users and keys of the server."""

    def __init__(
        self, database: Database, versions: Versions, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._versions = versions
        self._clock_ms = clock_ms

    async def create_user(self, new: NewUser) -> User:
        """The new user. The first of an organisation is its owner unless said otherwise, later ones are
        editors.

        Raises:
            InvalidInput: the e-mail or a name is not acceptable.
            Conflict: there is such a user, or somebody else's organisation has the e-mail as its name.
        """
        user = await self._database.write(self._insert_user, new)
        await self._versions.check()
        return user

    def _insert_user(self, connection: Connection, new: NewUser) -> User:
        email = clean_email(new.email)
        if repository.user_by_email(connection, email) is not None:
            raise Conflict(f"There is a user {email} already.", code="user_exists", param="email")
        organisation_id, is_first = self._organisation(connection, new.organisation, email)
        role = new.role or ("owner" if is_first else "editor")
        values = new_user_values(email, organisation_id, role, name=new.name, now_ms=self._clock_ms())
        repository.insert_user(connection, values)
        repository.raise_version(connection, repository.KEYS_TOPIC)
        user = repository.user_by_email(connection, email)
        assert user is not None
        audit.record_by_operator(
            connection, organisation_id, "user.created", user.id, email=email, role=user.role
        )
        return user

    def _organisation(self, connection: Connection, wanted: str | None, email: str) -> tuple[str, bool]:
        """The organisation's id, and whether it has no users yet."""
        name = (wanted or email).strip()
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise InvalidInput(
                f"An organisation's name has 1 to {_LONGEST_NAME} characters.", param="organisation"
            )
        found = repository.organisation_id(connection, name)
        if found is not None:
            if wanted is None:
                raise Conflict(
                    f"There is an organisation {name!r} already: name the one to join.", param="organisation"
                )
            return found, not repository.has_users(connection, found)
        new_id = uuid7()
        values = {"id": new_id, "name": name, "created_at": self._clock_ms()}
        repository.insert_organisation(connection, values)
        return new_id, True

    async def users(self) -> list[User]:
        """Every user, oldest first."""
        return await self._database.read(repository.all_users)

    async def caller(self, email: str) -> Caller:
        """The user as a caller, for work that the operator does in their name.

        Raises:
            NotFound: there is no such user.
        """
        user = await self._database.read(repository.user_by_email, clean_email(email))
        if user is None:
            raise _no_user(email)
        return caller_of(user)

    async def set_disabled(self, email: str, disabled: bool) -> None:
        """Locks a user out, keys and tokens included, or lets them in again.

        Raises:
            NotFound: there is no such user.
        """

        def change(connection: Connection) -> None:
            if not repository.set_disabled(connection, clean_email(email), disabled):
                raise _no_user(email)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            user = repository.user_by_email(connection, clean_email(email))
            assert user is not None
            action = "user.disabled" if disabled else "user.enabled"
            audit.record_by_operator(connection, user.organisation_id, action, user.id)

        await self._database.write(change)
        await self._versions.check()

    async def create_key(
        self, email: str, label: str, *, days: int | None = None, kind: KeyKind = "private"
    ) -> tuple[str, str]:
        """Id and text of a new key of a user's; the text is not kept and cannot be had again.

        Raises:
            NotFound: there is no such user.
            InvalidInput: the label or the number of days is out of bounds.
        """

        def store(connection: Connection) -> tuple[str, str]:
            user = repository.user_by_email(connection, clean_email(email))
            if user is None:
                raise _no_user(email)
            key, values = new_key_values(user.id, label, days, kind=kind, now_ms=self._clock_ms())
            repository.insert_key(connection, values)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            _note_key(connection, user, str(values["id"]), label, kind)
            return str(values["id"]), key

        made = await self._database.write(store)
        await self._versions.check()
        return made

    async def keys(self, email: str | None = None) -> list[ApiKey]:
        """Every key, or those of one user, revoked ones too, oldest first.

        Raises:
            NotFound: there is no such user.
        """
        if email is not None:
            email = (await self.caller(email)).email
        return await self._database.read(repository.all_keys, email)

    async def revoke_key(self, key_id: str) -> None:
        """Ends a key, and the tokens that came from it.

        Raises:
            NotFound: there is no such key in force.
        """

        def revoke(connection: Connection) -> None:
            if not repository.revoke_any_key(connection, key_id, self._clock_ms()):
                raise NotFound(f"There is no API key {key_id} in force.", code="api_key_not_found")
            repository.raise_version(connection, repository.KEYS_TOPIC)
            owner = repository.organisation_of_key(connection, key_id)
            audit.record_by_operator(connection, owner, "key.revoked", key_id)

        await self._database.write(revoke)
        await self._versions.check()

    async def ensure_bootstrap(self, email: str, given_key: str | None) -> User:
        """The user of that e-mail, made if absent, who has the given key. Changes nothing when all is there.

        A given key that was revoked stays so.

        Raises:
            InvalidInput: the e-mail is none, or the key is not 20 to 200 printable characters.
            Conflict: the key belongs to somebody else.
        """
        if given_key is not None and not _GIVEN_KEY.match(given_key):
            raise InvalidInput("The bootstrap key must have 20 to 200 printable characters and no spaces.")
        user = await self._database.write(self._bootstrap, clean_email(email), given_key)
        await self._versions.check()
        return user

    def _bootstrap(self, connection: Connection, email: str, given_key: str | None) -> User:
        # Several processes may start at once.
        repository.hold(connection, "bootstrap")
        user = repository.user_by_email(connection, email)
        if user is None:
            user = self._insert_user(connection, NewUser(email))
        if given_key is None:
            return user
        there = repository.key_by_digest(connection, key_digest(given_key))
        if there is None:
            _, values = new_key_values(
                user.id, "bootstrap", None, kind="private", now_ms=self._clock_ms(), text=given_key
            )
            repository.insert_key(connection, values)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            _note_key(connection, user, str(values["id"]), "bootstrap", "private")
        elif there.user_id != user.id:
            raise Conflict("The bootstrap key belongs to another user.", code="bootstrap_key_taken")
        elif there.revoked_at is not None:
            log.warning("accounts.bootstrap.key_revoked", key_id=there.id)
        return user


def _note_key(connection: Connection, user: User, key_id: str, label: str, kind: KeyKind) -> None:
    organisation = user.organisation_id
    audit.record_by_operator(
        connection, organisation, "key.created", key_id, label=label, kind=kind, user=user.id
    )


def _no_user(email: str) -> NotFound:
    return NotFound(
        f"There is no user {email}: create one with dragoman users create.", code="user_not_found"
    )
