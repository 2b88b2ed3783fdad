"""What users may do with their own accounts: keys, tokens, switches, salt, secrets."""

import re
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.admin import AccountsAdmin, new_key_values, new_salt
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.audit.service import AuditLog
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups.service import GroupsService
from dragoman.domain.accounts.keytable import KeyTable, caller_of
from dragoman.domain.accounts.members import MembersService
from dragoman.domain.accounts.model import ApiKey, KeyKind, Login, User
from dragoman.domain.accounts.nonce import Nonces
from dragoman.domain.accounts.operators import Operators
from dragoman.domain.accounts.signin.attempts import Attempts, Paces, too_many
from dragoman.domain.accounts.signin.model import SignInBounds
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.domain.accounts.switches import TOPIC as SWITCHES_TOPIC
from dragoman.domain.accounts.switches import Switches
from dragoman.domain.accounts.tenants.service import TenantsService
from dragoman.domain.accounts.tokens import TokenSigner
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import RootKey, Sealer
from dragoman.kit.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from dragoman.kit.gcra import RateLimit
from dragoman.kit.jsontypes import JsonValue

_SECRET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
_LONGEST_SECRET = 64 * 1024
_MOST_LOGINS = 1000
_EXCHANGE = "token"


class AccountsService:
    """Accounts for callers; ``admin`` is the part that only the server's operator may use.

    ``signin`` lets people in to the pages; ``members`` is what administrators of an organisation do with its users.
    ``audit`` has what was recorded, for the operator, too. ``keys`` answers who is calling, ``versions`` tells
    other parts when what they keep in memory has changed; ``tenants`` and ``groups`` are for who looks after an
    organisation; ``operators`` tells who looks after the server itself.
    """

    def __init__(
        self,
        database: Database,
        root_key: RootKey,
        *,
        clock_ms: Callable[[], int] = now_ms,
        signin: SignInBounds | None = None,
        operators: str | None = None,
        per_address: RateLimit | None = None,
        per_account: RateLimit | None = None,
        paces: Paces | None = None,
    ) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._signer = TokenSigner(root_key.derive("accounts/tokens"))
        self._sealer: Sealer = root_key.sealer("accounts/secrets")
        self._per_address = per_address or RateLimit(burst=200, period_seconds=0.25)
        self._per_account = per_account or RateLimit(burst=100, period_seconds=0.5)
        self._attempts = Attempts(database, paces, clock_ms=clock_ms)
        self._nonces = Nonces()
        self.versions = Versions(database)
        self.switches = Switches(database, self.versions)
        self.keys = KeyTable(database, self.versions, self._signer, clock_ms=clock_ms)
        self.audit = AuditLog(database, root_key.derive("audit"))
        self.admin = AccountsAdmin(database, self.versions, clock_ms=clock_ms)
        self.tenants = TenantsService(database, clock_ms=clock_ms)
        self.operators = Operators(database, operators)
        self.groups = GroupsService(database, clock_ms=clock_ms)
        self.signin = SignIn(database, self.keys, bounds=signin, clock_ms=clock_ms, attempts=self._attempts)
        self.members = MembersService(database, self.versions, self.signin, clock_ms=clock_ms)

    async def user(self, caller: Caller) -> User:
        """The caller's own user.

        Raises:
            NotFound: it is gone.
        """
        found = await self._database.read(repository.user_of, caller)
        if found is None:
            raise NotFound("The user no longer exists.")
        return found

    async def create_key(
        self, caller: Caller, label: str, *, days: int | None = None, kind: KeyKind = "private"
    ) -> tuple[str, str]:
        """Id and text of a new key of the caller's; the text is not kept and cannot be had again.

        Raises:
            InvalidInput: the label or the number of days is out of bounds.
        """
        key, values = new_key_values(caller.user_id, label, days, kind=kind, now_ms=self._clock_ms())

        def store(connection: Connection) -> None:
            repository.insert_key(connection, values)
            repository.raise_version(connection, repository.KEYS_TOPIC)
            audit.record(connection, caller, "key.created", str(values["id"]), label=label, kind=kind)

        await self._database.write(store)
        await self.versions.check()
        return str(values["id"]), key

    async def list_keys(self, caller: Caller) -> list[ApiKey]:
        """The caller's keys in force or expired, oldest first."""
        return await self._database.read(repository.keys_of, caller)

    async def revoke_key(self, caller: Caller, key_id: str) -> None:
        """Ends one of the caller's keys, and the tokens that came from it, at once.

        Raises:
            NotFound: the caller has no such key in force.
        """

        def revoke(connection: Connection) -> None:
            if not repository.revoke_key(connection, caller, key_id, self._clock_ms()):
                raise NotFound("There is no API key with this id.", code="api_key_not_found")
            repository.raise_version(connection, repository.KEYS_TOPIC)
            audit.record(connection, caller, "key.revoked", key_id)

        await self._database.write(revoke)
        await self.versions.check()

    def mint_token(self, caller: Caller) -> str:
        """A token for 24 hours that stands for the caller; it ends with the key it comes from.

        Raises:
            Forbidden: the caller came by a public key, which a token would widen.
        """
        if caller.key_kind != "private":
            raise Forbidden("A public key cannot be exchanged for a token.", code="public_key")
        return self._signer.mint(caller, now_ms=self._clock_ms())

    async def exchange(self, email: str, api_key: str, *, address: str) -> str:
        """A 24-hour token for an e-mail, in any case, and an API key of that user; the attempt is written
        down.

        Raises:
            QuotaExceeded: too many attempts from the address or for the account.
            Unauthenticated: they do not belong together.
        """
        email = email.strip().lower()
        wait = self._per_address.wait_seconds(address) or self._per_account.wait_seconds(email)
        if wait > 0:
            raise too_many(wait)
        await self._attempts.begin(address)
        try:
            caller = await self.keys.authenticate_slow(api_key)
        except Unauthenticated:
            caller = None
        succeeded = (
            caller is not None
            and caller.key_id is not None
            and caller.key_kind == "private"
            and caller.email == email
        )
        at = self._clock_ms()

        def note(connection: Connection) -> float:
            _note_login(connection, email, address, succeeded=succeeded, at=at)
            return 0.0 if succeeded else self._attempts.failed(connection, address, key=email)

        wait = await self._database.write(note)
        if caller is None or not succeeded:
            # Who has the right key is never kept out by somebody else's guesses.
            if wait:
                raise too_many(wait)
            raise Unauthenticated("The e-mail and the API key do not belong together.", code="login_failed")
        self._attempts.made_it(address)
        return self.mint_token(caller)

    async def logins(self, caller: Caller, limit: int) -> list[Login]:
        """The caller's latest attempts to get a token, latest first."""
        return await self._database.read(repository.logins_of, caller, min(limit, _MOST_LOGINS))

    async def settings(self, caller: Caller) -> Mapping[str, JsonValue]:
        """The caller's account switches."""
        return await self.switches.of(caller)

    async def change_settings(
        self, caller: Caller, changes: Mapping[str, JsonValue], *, name: str | None = None
    ) -> Mapping[str, JsonValue]:
        """All the caller's account switches after these were set; None takes one away.

        ``name`` is what the account is called from then on.
        """

        def change(connection: Connection) -> Mapping[str, JsonValue]:
            if name is not None:
                repository.set_user_name(connection, caller, name)
            merged = {**repository.user_settings(connection, caller), **changes}
            kept = {name: value for name, value in merged.items() if value is not None}
            repository.set_user_settings(connection, caller, kept)
            repository.raise_version(connection, SWITCHES_TOPIC)
            audit.record(connection, caller, "account.changed", caller.user_id, settings=sorted(changes))
            return kept

        kept = await self._database.write(change)
        await self.versions.check()
        return kept

    async def salt(self, caller: Caller) -> str:
        """What signs calls to the caller's own servers.

        Raises:
            NotFound: the user is gone.
        """
        found = await self._database.read(repository.salt, caller)
        if found is None:
            raise NotFound("The user no longer exists.")
        return found

    async def nonce(self, caller: Caller) -> str:
        """A bcrypt hash of the caller's salt, by which the caller's own servers know the call; the same for a minute.

        Raises:
            NotFound: the user is gone.
        """
        return await self._nonces.of(await self.salt(caller))

    async def roll_salt(self, caller: Caller) -> str:
        """The caller's new salt; the old one holds no more."""
        salt = new_salt()

        def change(connection: Connection) -> None:
            repository.set_salt(connection, caller, salt)
            audit.record(connection, caller, "account.salt_rolled", caller.user_id)

        await self._database.write(change)
        return salt

    async def set_secret(self, caller: Caller, name: str, value: str) -> None:
        """Keeps a value of the caller's, sealed; one of the same name is replaced.

        Raises:
            InvalidInput: the name or the value is out of bounds.
        """
        if not _SECRET_NAME.match(name):
            raise InvalidInput("A secret's name has 1 to 100 letters, digits, '_', '-' or '.'.", param="name")
        plain = value.encode()
        if not plain or len(plain) > _LONGEST_SECRET:
            raise InvalidInput(f"A secret has 1 to {_LONGEST_SECRET} bytes.", param="value")
        sealed = self._sealer.seal(plain, _secret_context(caller, name))

        def store(connection: Connection) -> None:
            repository.put_secret(connection, caller, name, sealed, self._clock_ms())
            audit.record(connection, caller, "secret.set", name)

        await self._database.write(store)

    async def secret(self, caller: Caller, name: str) -> str:
        """One of the caller's secrets in clear, for use and never for show.

        Raises:
            NotFound: the caller has no such secret.
            Unavailable: it was sealed with another key file.
        """
        sealed = await self._database.read(repository.secret, caller, name)
        if sealed is None:
            raise _no_secret(name)
        return self._sealer.open(sealed, _secret_context(caller, name)).decode()

    async def secret_names(self, caller: Caller) -> list[str]:
        """The names of the caller's secrets, sorted."""
        return await self._database.read(repository.secret_names, caller)

    async def delete_secret(self, caller: Caller, name: str) -> None:
        """Removes one of the caller's secrets.

        Raises:
            NotFound: the caller has no such secret.
        """

        def remove(connection: Connection) -> None:
            if not repository.delete_secret(connection, caller, name):
                raise _no_secret(name)
            audit.record(connection, caller, "secret.deleted", name)

        await self._database.write(remove)


def _secret_context(caller: Caller, name: str) -> str:
    return f"{caller.user_id}:{name}"


def _no_secret(name: str) -> NotFound:
    return NotFound(f"There is no secret {name!r}.", code="secret_not_found", param="name")


def _note_login(connection: Connection, email: str, address: str, *, succeeded: bool, at: int) -> None:
    user = repository.user_by_email(connection, email)
    if user is not None:
        values = {
            "user_id": user.id,
            "address": address[:64],
            "kind": _EXCHANGE,
            "succeeded": succeeded,
            "at": at,
        }
        repository.insert_login(connection, values)
        outcome = "done" if succeeded else "refused"
        audit.record(connection, caller_of(user), "token.issued", user.id, outcome=outcome)
