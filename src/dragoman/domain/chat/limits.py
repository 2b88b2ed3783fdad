"""How much visitors may ask who opened their sessions by themselves, and whom nobody vouches for."""

from sqlalchemy import Connection

from dragoman.domain.chat.repository import clients
from dragoman.kit.errors import QuotaExceeded
from dragoman.kit.gcra import RateLimit
from dragoman.kit.peers import visitor_of

_DAY_MS = 86_400_000


class VisitorLimits:
    """Holds by address and by client, neither of which a visitor can change at will; sessions they can open anew.

    Args:
        address: how often one address may ask.
        client: how often all visitors of one client may ask together.
        per_day: how much all visitors of one client may ask on one day (UTC); 0 = no bound.
    """

    def __init__(self, *, address: RateLimit, client: RateLimit, per_day: int) -> None:
        self._address = address
        self._client = client
        self._per_day = per_day

    def check(self, client_id: str, address: str) -> None:
        """Counts a question.

        Raises:
            QuotaExceeded: too many from this address, or to this client.
        """
        wait = self._address.wait_seconds(visitor_of(address)) or self._client.wait_seconds(client_id)
        if wait:
            raise QuotaExceeded(
                "Too many messages; please wait a moment.", code="too_many_messages", retry_after_seconds=wait
            )

    def count(self, connection: Connection, client_id: str, now: int) -> None:
        """Counts a question of the day, durably.

        Raises:
            QuotaExceeded: that would be more than there may be on one day.
        """
        if self._per_day <= 0:
            return
        day = now // _DAY_MS
        if clients.count_question(connection, client_id, day) > self._per_day:
            raise QuotaExceeded(
                "This chat has taken as many messages as it may on one day.",
                code="messages_per_day",
                retry_after_seconds=((day + 1) * _DAY_MS - now) / 1000,
            )
