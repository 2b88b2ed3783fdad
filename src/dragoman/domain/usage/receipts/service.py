"""Receipts for those who were answered."""

from collections.abc import Awaitable, Callable

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.receipts import repository
from dragoman.domain.usage.receipts.repository import Receipt as Receipt
from dragoman.domain.usage.receipts.repository import ReceiptLine as ReceiptLine
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import NotFound

_LISTED_MS = 31 * 86_400_000


class Receipts:
    """Receipts by user; nobody sees another's.

    Args:
        refresh: takes in what this process has used last.
    """

    def __init__(self, database: Database, *, refresh: Callable[[], Awaitable[object]]) -> None:
        self._database = database
        self._refresh = refresh

    async def get(self, caller: Caller, receipt_id: str) -> Receipt:
        """One of the caller's receipts; what another process answered is there within a second or two.

        Raises:
            NotFound: the caller has none of this id.
        """
        await self._refresh()
        found = await self._database.read(repository.get, caller, receipt_id)
        if found is None:
            raise NotFound("There is no receipt with this id.", code="receipt_not_found", param="id")
        return found

    async def select(self, caller: Caller, *, limit: int, offset: int = 0) -> list[ReceiptLine]:
        """The caller's receipts of the last 31 days, latest first."""
        await self._refresh()
        return await self._database.read(
            repository.select, caller, since=now_ms() - _LISTED_MS, limit=limit, offset=offset
        )
