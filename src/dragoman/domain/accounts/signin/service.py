"""Letting people in to the pages: by a setup link, a password or an API key; sessions that hold over restarts."""

import hashlib
import secrets
from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.keytable import KeyTable, caller_of
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.signin import repository
from dragoman.domain.accounts.signin.attempts import Attempts
from dragoman.domain.accounts.signin.model import Session, SetupLink, SignedIn, SignInBounds, Visitor
from dragoman.domain.accounts.signin.passwords import PasswordHasher, checked
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from dragoman.kit.ids import uuid7

_SECRET_BYTES = 32
_SEEN_STEP_MS = 60_000
_LONGEST_SECRET = 200


class SignIn:
    """Sessions of people. What they may do then is what their user may do."""

    def __init__(
        self,
        database: Database,
        keys: KeyTable,
        *,
        bounds: SignInBounds | None = None,
        clock_ms: Callable[[], int] = now_ms,
        attempts: Attempts | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._bounds = bounds or SignInBounds()
        self._clock_ms = clock_ms
        self._hasher = PasswordHasher()
        self.attempts = attempts or Attempts(database, clock_ms=clock_ms)

    async def nobody_can(self) -> bool:
        """Whether no user of the server has a password yet."""
        return not await self._database.read(repository.anybody_has_password)

    async def setup_link(self, email: str) -> SetupLink:
        """A link for a user to set a password, made by the server's operator.

        Raises:
            NotFound: there is no such user.
        """

        def make(connection: Connection) -> SetupLink:
            user = accounts.user_by_email(connection, email.strip().lower())
            if user is None:
                raise NotFound(f"There is no user {email}.", code="user_not_found")
            link = self.new_link(connection, user)
            audit.record_by_operator(connection, user.organisation_id, "setup_link.made", user.id)
            return link

        return await self._database.write(make)

    def new_link(self, connection: Connection, user: User) -> SetupLink:
        """A link for a user, inside a transaction of who may make one."""
        token, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock_ms()
        expires_at = now + self._bounds.link_ms
        values = {
            "digest": _digest(token),
            "user_id": user.id,
            "expires_at": expires_at,
            "created_at": now,
        }
        repository.insert_link(connection, values, now)
        return SetupLink(token, user.email, expires_at)

    async def invited(self, token: str, visitor: Visitor) -> str:
        """The e-mail of the user whom a setup link is for.

        Raises:
            NotFound: the link does not hold, or no longer.
            QuotaExceeded: too many attempts from the address.
        """
        await self.attempted(visitor)

        def look(connection: Connection) -> str:
            user_id = repository.link_user(connection, _digest(token), self._clock_ms())
            return self._enabled(connection, user_id).email

        try:
            email = await self._database.read(look)
        except NotFound:
            await self.failed(visitor)
            raise
        self.made_it(visitor)
        return email

    async def set_up(self, token: str, password: str, visitor: Visitor) -> SignedIn:
        """A session of the user of a setup link, who has this password from now on; older sessions end.

        Raises:
            InvalidInput: the password is none to be used; the link still holds.
            NotFound: the link does not hold, or no longer.
            QuotaExceeded: too many attempts from the address.
        """
        digest = await self._hasher.digest(checked(password, await self.invited(token, visitor)))

        def use(connection: Connection) -> SignedIn:
            user = self._enabled(
                connection, repository.take_link(connection, _digest(token), self._clock_ms())
            )
            caller = caller_of(user)
            repository.put_password(connection, user.id, digest, self._clock_ms())
            repository.delete_sessions(connection, user.id)
            audit.record(connection, caller, "password.set", user.id, by="setup link")
            return self.open(connection, caller, visitor, way="setup link")

        return await self._database.write(use)

    def _enabled(self, connection: Connection, user_id: str | None) -> User:
        user = None if user_id is None else accounts.user_by_id(connection, user_id)
        if user is None or user.disabled:
            raise NotFound(
                "This link does not hold, or no longer: ask for another.", code="setup_link_not_found"
            )
        return user

    async def by_password(self, email: str, password: str, visitor: Visitor) -> SignedIn:
        """A session for an e-mail, in any case, and its password; the attempt is written down.

        Raises:
            Unauthenticated: they do not belong together.
            QuotaExceeded: too many attempts from the address or for the account.
        """
        email = email.strip().lower()
        await self.attempted(visitor, email)

        def look(connection: Connection) -> tuple[User | None, str | None]:
            user = accounts.user_by_email(connection, email)
            return user, None if user is None else repository.password_of(connection, user.id)

        user, digest = await self._database.read(look)
        fits = await self._hasher.matches(password, digest)
        if user is None or user.disabled or not fits:
            await self.failed(visitor, email)
            if user is not None:
                await self._refused(caller_of(user), by="password")
            raise Unauthenticated("E-mail and password do not belong together.", code="login_failed")
        self.made_it(visitor, email)
        return await self._opened(caller_of(user), visitor, way="password")

    async def by_key(self, api_key: str, visitor: Visitor) -> SignedIn:
        """A session for an API key; it ends with the key.

        Raises:
            Unauthenticated: no such key is in force.
            Forbidden: it is a public key.
            QuotaExceeded: too many attempts from the address.
        """
        await self.attempted(visitor)
        try:
            caller = await self._keys.authenticate_slow(api_key.strip())
        except Unauthenticated:
            await self.failed(visitor)
            raise
        if caller.key_kind != "private" or caller.key_id is None:
            await self.failed(visitor)
            await self._refused(caller, by="public key")
            raise Forbidden("Only a private API key signs in here.", code="private_key_needed")
        self.made_it(visitor)
        return await self._opened(caller, visitor, way="key")

    async def attempted(self, visitor: Visitor, email: str | None = None) -> None:
        """Counts an attempt that may fail; ``failed`` or ``made_it`` comes after it.

        Raises:
            QuotaExceeded: too many failed from the address or for the account.
        """
        await self.attempts.begin(visitor.address, password=email)

    async def failed(self, visitor: Visitor, email: str | None = None) -> None:
        """Writes down that an attempt failed."""

        def note(connection: Connection) -> None:
            self.attempts.failed(connection, visitor.address, password=email)

        await self._database.write(note)

    def made_it(self, visitor: Visitor, email: str | None = None) -> None:
        """Only failures count."""
        self.attempts.made_it(visitor.address, password=email)

    async def _refused(self, caller: Caller, *, by: str) -> None:
        def note(connection: Connection) -> None:
            audit.record(connection, caller, "session.opened", caller.user_id, outcome="refused", by=by)

        await self._database.write(note)

    async def _opened(self, caller: Caller, visitor: Visitor, *, way: str) -> SignedIn:
        return await self._database.write(lambda connection: self.open(connection, caller, visitor, way=way))

    def open(self, connection: Connection, caller: Caller, visitor: Visitor, *, way: str) -> SignedIn:
        """A session, inside a transaction of who made sure of the caller; ``way`` says how, for the audit trail."""
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock_ms()
        values = {
            "id": uuid7(),
            "digest": _digest(secret),
            "user_id": caller.user_id,
            "key_id": caller.key_id,
            "address": visitor.address[:64],
            "program": visitor.program.replace("\0", "")[:200],
            "created_at": now,
            "seen_at": now,
            "expires_at": now + self._bounds.session_ms,
            "way": way,
        }
        repository.insert_session(connection, values, now)
        audit.record(connection, caller, "session.opened", caller.user_id, by=way)
        return SignedIn(secret, caller, now + self._bounds.session_ms)

    async def find(self, secret: str) -> tuple[Session, Caller]:
        """The session of a secret and whose it is, as they are now.

        Raises:
            Unauthenticated: there is none, it is over, its user is disabled or its key is gone.
        """
        found = None
        if secret and len(secret) <= _LONGEST_SECRET:
            found = await self._database.read(repository.session, _digest(secret))
        now = self._clock_ms()
        if found is None or found.expires_at <= now or found.seen_at + self._bounds.unused_ms <= now:
            raise Unauthenticated("Sign in first.", code="no_session")
        caller = await self._keys.of_user(found.user_id, found.key_id)
        if now - found.seen_at >= _SEEN_STEP_MS:
            await self._database.write(repository.set_seen, found.id, now)
        return found, caller

    async def sessions(self, caller: Caller) -> list[Session]:
        """The caller's sessions that hold, the one used last first."""
        now = self._clock_ms()

        def look(connection: Connection) -> list[Session]:
            unused_since = now - self._bounds.unused_ms
            return repository.sessions_of(connection, caller, now=now, unused_since=unused_since)

        return await self._database.read(look)

    async def end(self, caller: Caller, session_id: str) -> None:
        """Ends one of the caller's sessions.

        Raises:
            NotFound: the caller has no such session.
        """

        def remove(connection: Connection) -> None:
            if not repository.delete_session(connection, caller, session_id):
                raise NotFound("There is no session with this id.", code="session_not_found")
            audit.record(connection, caller, "session.closed", session_id)

        await self._database.write(remove)

    async def end_all(self, caller: Caller) -> None:
        """Ends every session of the caller's."""

        def remove(connection: Connection) -> None:
            repository.delete_sessions(connection, caller.user_id)
            audit.record(connection, caller, "session.all_closed", caller.user_id)

        await self._database.write(remove)

    async def change_password(self, caller: Caller, session: Session, *, old: str, new: str) -> None:
        """Sets another password; all other sessions end. Who has none yet comes by a setup link.

        Raises:
            InvalidInput: the old one is not it, or the new one is none to be used.
            QuotaExceeded: too many attempts for the account.
        """
        await self.attempted(Visitor(session.address), caller.email)
        stored = await self._database.read(repository.password_of, caller.user_id)
        if not await self._hasher.matches(old, stored):
            await self.failed(Visitor(session.address), caller.email)
            raise InvalidInput("This is not the password there is.", param="old")
        self.made_it(Visitor(session.address), caller.email)
        digest = await self._hasher.digest(checked(new, caller.email))

        def change(connection: Connection) -> None:
            repository.put_password(connection, caller.user_id, digest, self._clock_ms())
            repository.delete_sessions(connection, caller.user_id, but=session.id)
            audit.record(connection, caller, "password.set", caller.user_id, by="password")

        await self._database.write(change)

    async def has_password(self, caller: Caller) -> bool:
        """Whether the caller can sign in by a password."""
        return await self._database.read(repository.password_of, caller.user_id) is not None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
