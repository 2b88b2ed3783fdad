"""How much visitors may ask who opened their sessions by themselves, and whom nobody vouches for."""

from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.repository import clients
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import QuotaExceeded
from dragoman.kit.peers import visitor_of

_DAY_MS = 86_400_000
_FORGOTTEN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """So many questions at once, then one every so many seconds."""

    burst: int
    period_seconds: float


class VisitorLimits:
    """Holds by address and by client, neither of which a visitor can change at will; sessions they can open anew.

    All is counted in the database, so that it holds over all processes and outlives them.

    Args:
        address: how often one address may ask.
        client: how often all visitors of one client may ask together.
        per_day: how much all visitors of one client may ask on one day (UTC); 0 = no bound.
    """

    def __init__(self, *, address: Pace, client: Pace, per_day: int) -> None:
        self._address = address
        self._client = client
        self._per_day = per_day

    def count(self, connection: Connection, client_id: str, address: str, now: int) -> None:
        """Counts a question; nothing is counted when the transaction does not end well.

        Raises:
            QuotaExceeded: too many from this address, to this client, or on one day.
        """
        subjects = ((f"address:{visitor_of(address)}", self._address), (f"client:{client_id}", self._client))
        for subject, pace in subjects:
            period = max(1, round(pace.period_seconds * 1000))
            wait = clients.wait_ms(connection, text_digest(subject), now, burst=pace.burst, period=period)
            if wait:
                raise QuotaExceeded(
                    "Too many messages; please wait a moment.",
                    code="too_many_messages",
                    retry_after_seconds=wait / 1000,
                )
        if self._per_day > 0:
            self._count_day(connection, client_id, now)

    def _count_day(self, connection: Connection, client_id: str, now: int) -> None:
        day = now // _DAY_MS
        if clients.count_question(connection, client_id, day) > self._per_day:
            raise QuotaExceeded(
                "This chat has taken as many messages as it may on one day.",
                code="messages_per_day",
                retry_after_seconds=((day + 1) * _DAY_MS - now) / 1000,
            )


async def forget_rates(database: Database, now: int) -> int:
    """Removes, in steps, what holds nobody up any more; gives how much."""
    gone = 0
    while removed := await database.write(clients.forget_rates, now, limit=_FORGOTTEN_AT_ONCE):
        gone += removed
    return gone
