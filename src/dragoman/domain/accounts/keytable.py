"""Who is calling, answered from memory: a request is never held up by the database."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.tokens import TokenClaims, TokenSigner, looks_like_token
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Unauthenticated
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_LONGEST_CREDENTIAL = 4096
_REMEMBERED = 10_000
_UNKNOWN_SECONDS = 1.0
_CHECK_GAP_SECONDS = 0.1
_FLUSH_SECONDS = 60.0


def key_digest(key: str) -> bytes:
    """What is stored of a key: it is random enough that its SHA-256 tells nothing about it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _unknown() -> Unauthenticated:
    return Unauthenticated("The API key or token is not valid.", code="invalid_api_key")


def caller_of(user: User) -> Caller:
    """The user as a caller who used no key."""
    return Caller(user.organisation_id, user.id, user.number, user.email, user.role)


@dataclass(frozen=True, slots=True)
class _Known:
    """The database's keys and users; the numbers are the times of expiry in milliseconds."""

    by_digest: dict[bytes, tuple[Caller, int | None]]
    by_key_id: dict[str, int | None]
    users: dict[str, Caller]


def _index(connection: Connection) -> _Known:
    """Built where the database is read, so that many keys do not hold up the event loop."""
    snapshot = repository.key_snapshot(connection)
    users = {user.id: caller_of(user) for user in snapshot.users}
    by_digest = {
        key.digest: (replace(users[key.user_id], key_id=key.id, key_kind=key.kind), key.expires_at)
        for key in snapshot.keys
    }
    return _Known(by_digest, {key.id: key.expires_at for key in snapshot.keys}, users)


class KeyTable:
    """All keys in force, by digest.

    A change that is announced in the database holds here within a second, one of this process at once. When
    the database cannot be reached, the keys last known go on working.
    """

    def __init__(
        self,
        database: Database,
        versions: Versions,
        signer: TokenSigner,
        *,
        clock_ms: Callable[[], int] = now_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._versions = versions
        self._signer = signer
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._known = _Known({}, {}, {})
        self._claims: OrderedDict[bytes, TokenClaims] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._used: dict[str, int] = {}
        self._gate = asyncio.Lock()
        self._checked_at = float("-inf")
        versions.subscribe(repository.KEYS_TOPIC, self.reload)

    async def reload(self) -> None:
        """Takes over all keys and users from the database."""
        self._known = await self._database.read(_index)
        self._unknown.clear()

    def authenticate(self, credential: str) -> Caller:
        """The caller whose API key or token this is; no input or output, about a microsecond for a key.

        Raises:
            Unauthenticated: unknown, revoked, expired, or its user is disabled. A key made by another
                process a moment ago may be unknown here: ``authenticate_slow`` looks again.
        """
        if len(credential) > _LONGEST_CREDENTIAL:
            raise _unknown()
        digest = key_digest(credential)
        found = self._known.by_digest.get(digest)
        if found is None:
            if looks_like_token(credential):
                return self._token_caller(credential, digest)
            raise _unknown()
        caller, expires_at = found
        now = self._clock_ms()
        if expires_at is not None and expires_at <= now:
            raise Unauthenticated("The API key has expired.", code="api_key_expired")
        assert caller.key_id is not None
        self._used[caller.key_id] = now
        return caller

    async def authenticate_slow(self, credential: str) -> Caller:
        """As ``authenticate``, and looks into the database once before a key is called unknown.

        Such looks are shared by all who wait for one, and at least a tenth of a second apart; a key found
        unknown is so for a second without another look.

        Raises:
            Unauthenticated: as ``authenticate``.
        """
        try:
            return self.authenticate(credential)
        except Unauthenticated:
            if len(credential) > _LONGEST_CREDENTIAL:
                raise
        digest = key_digest(credential)
        if not self._known_unknown(digest):
            await self._look_again()
            try:
                return self.authenticate(credential)
            except Unauthenticated:
                self._remember_unknown(digest)
                raise
        return self.authenticate(credential)

    async def of_user(self, user_id: str, key_id: str | None) -> Caller:
        """A user who has been let in before, as they are now, while the key by which they came is in force.

        Raises:
            Unauthenticated: the user is disabled, or the key revoked or expired.
        """
        if user_id not in self._known.users:
            await self._look_again()
        caller = self._known.users.get(user_id)
        if caller is None or not self._in_force(key_id):
            raise _unknown()
        return replace(caller, key_id=key_id)

    def _in_force(self, key_id: str | None) -> bool:
        if key_id is None:
            return True
        ends_at = self._known.by_key_id.get(key_id, 0)
        return ends_at is None or ends_at > self._clock_ms()

    def _known_unknown(self, digest: bytes) -> bool:
        since = self._unknown.get(digest)
        return since is not None and self._monotonic() - since < _UNKNOWN_SECONDS

    def _remember_unknown(self, digest: bytes) -> None:
        self._unknown[digest] = self._monotonic()
        self._unknown.move_to_end(digest)
        while len(self._unknown) > _REMEMBERED:
            self._unknown.popitem(last=False)

    async def _look_again(self) -> None:
        arrived = self._monotonic()
        async with self._gate:
            if self._checked_at > arrived:
                return  # somebody else's look began after this key was presented
            wait = self._checked_at + _CHECK_GAP_SECONDS - self._monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._checked_at = self._monotonic()
            try:
                await self._versions.check()
            except DragomanError as error:
                log.warning("accounts.keys.unreadable", reason=error.detail)

    def _token_caller(self, token: str, digest: bytes) -> Caller:
        now = self._clock_ms()
        claims = self._claims.get(digest)
        if claims is None or claims.expires_at <= now:
            claims = self._signer.verify(token, now_ms=now)
            self._claims[digest] = claims
            while len(self._claims) > _REMEMBERED:
                self._claims.popitem(last=False)
        if not self._in_force(claims.key_id):
            raise _unknown()
        caller = self._known.users.get(claims.user_id)
        if caller is None:
            raise _unknown()
        return caller

    def start(self, tasks: TaskOwner) -> None:
        """Writes down in the background, once a minute, when keys were last used."""
        tasks.start(self._flush_forever(), name="accounts.keys.used")

    async def flush_used(self) -> None:
        """Writes down when keys were last used."""
        used, self._used = self._used, {}
        if used:
            await self._database.write(repository.set_used, used)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush_used()
            except DragomanError as error:
                log.warning("accounts.keys.used_not_written", reason=error.detail)
