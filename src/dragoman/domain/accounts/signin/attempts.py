"""How often signing in may fail: by address and by account, over all processes of the server.

Failures are kept in the database as the time at which they are forgotten again; attempts under way are counted in memory, so
that many at once get no further than many in a row. Who succeeds is not counted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.signin import repository
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import QuotaExceeded
from dragoman.kit.gcra import RateLimit
from dragoman.kit.peers import visitor_of

_STEP = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """So many failures at once, then one every ``period_seconds``."""

    burst: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Paces:
    """What an address may fail at, and how often anybody may fail for one account: with a password, with a key."""

    address: Pace = Pace(30, 10)
    password: Pace = Pace(8, 30)
    key: Pace = Pace(30, 10)


class Attempts:
    """Counts failures. ``begin`` comes before the credential is looked at, ``failed`` or ``made_it`` after."""

    def __init__(
        self, database: Database, paces: Paces | None = None, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._paces = paces or Paces()
        self._clock_ms = clock_ms
        self._under_way = {
            kind: RateLimit(burst=pace.burst, period_seconds=pace.period_seconds, clock=self._seconds)
            for kind, pace in self._kinds().items()
        }

    def _kinds(self) -> dict[str, Pace]:
        paces = self._paces
        return {"address": paces.address, "password": paces.password, "key": paces.key}

    def _seconds(self) -> float:
        return self._clock_ms() / 1000

    async def begin(self, address: str, *, password: str | None = None) -> None:
        """Counts an attempt from an address, with a password for the account of that e-mail.

        Raises:
            QuotaExceeded: too many failed already.
        """
        counted = _subjects(address, password=password)
        stored = await self._database.read(repository.failures_due, [_name(*one) for one in counted])
        now, wait = self._clock_ms(), 0.0
        for kind, value in counted:
            pace = self._kinds()[kind]
            free_at = stored.get(_name(kind, value), 0) - _ms(pace.period_seconds * (pace.burst - 1))
            wait = max(wait, (free_at - now) / 1000)
        for kind, value in counted:
            if wait <= 0:
                wait = self._under_way[kind].wait_seconds(value)
        if wait > 0:
            raise too_many(wait)

    def made_it(self, address: str, *, password: str | None = None) -> None:
        """The attempt succeeded and is not counted."""
        for kind, value in _subjects(address, password=password):
            self._under_way[kind].give_back(value)

    def failed(
        self, connection: Connection, address: str, *, password: str | None = None, key: str | None = None
    ) -> float:
        """Writes a failure down, inside a transaction; the seconds to wait when it was one too many for a key's account."""
        now, wait = self._clock_ms(), 0.0
        for kind, value in _subjects(address, password=password, key=key):
            pace = self._kinds()[kind]
            period = _ms(pace.period_seconds)
            due = repository.add_failure(connection, _name(kind, value), now=now, period=period)
            if kind == "key":
                wait = (due - period * pace.burst - now) / 1000
        return max(0.0, wait)

    async def forget_old(self) -> int:
        """Drops failures that count no more; how many rows that were."""
        gone = 0
        while dropped := await self._database.write(self._forget):
            gone += dropped
        return gone

    def _forget(self, connection: Connection) -> int:
        return repository.forget_failures(connection, self._clock_ms(), limit=_STEP)


def too_many(wait: float) -> QuotaExceeded:
    """The refusal of who failed too often."""
    return QuotaExceeded(
        "Too many attempts to sign in; try again later.", code="too_many_logins", retry_after_seconds=wait
    )


def _subjects(address: str, *, password: str | None = None, key: str | None = None) -> list[tuple[str, str]]:
    given = (("address", visitor_of(address)), ("password", password), ("key", key))
    return [(kind, value) for kind, value in given if value is not None]


def _name(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
