"""Replies kept for their users, so that a later request may go on from one."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.replies import repository
from dragoman.domain.chat.replies.model import Reply as Reply
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound

_KEPT_MS = 30 * 86_400_000
_KEPT = 5000
_LONGEST_CHAIN = 500


class ReplyStore:
    """Keeps replies for 30 days, the latest 5,000 of each user."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def keep(self, caller: Caller, reply: Reply) -> None:
        """Stores a reply."""
        expires_at = reply.created_at + _KEPT_MS
        await self._database.write(repository.insert, caller, reply, expires_at=expires_at, kept=_KEPT)

    async def get(self, caller: Caller, reply_id: str) -> Reply:
        """One reply of the caller's own.

        Raises:
            NotFound: the caller has no such reply.
        """
        found = await self._database.read(repository.get, caller, reply_id, now=self._clock_ms())
        if found is None:
            raise _missing(reply_id)
        return found

    async def chain(self, caller: Caller, reply_id: str) -> Sequence[Reply]:
        """The reply and all before it that are still kept, oldest first.

        Raises:
            NotFound: the caller has no such reply.
            InvalidInput: the conversation is longer than 500 replies.
        """
        now = self._clock_ms()

        def walk(connection: Connection) -> list[Reply]:
            found: list[Reply] = []
            wanted: str | None = reply_id
            while wanted is not None and len(found) <= _LONGEST_CHAIN:
                reply = repository.get(connection, caller, wanted, now=now)
                if reply is None:
                    break
                found.append(reply)
                wanted = reply.previous_id
            return found

        replies = await self._database.read(walk)
        if not replies:
            raise _missing(reply_id)
        if len(replies) > _LONGEST_CHAIN:
            raise InvalidInput(
                f"The conversation is longer than {_LONGEST_CHAIN} replies.", param="previous_response_id"
            )
        return replies[::-1]

    async def delete(self, caller: Caller, reply_id: str) -> None:
        """Removes one reply of the caller's own.

        Raises:
            NotFound: the caller has no such reply.
        """
        if not await self._database.write(repository.delete, caller, reply_id):
            raise _missing(reply_id)


def _missing(reply_id: str) -> NotFound:
    return NotFound(f"There is no response {reply_id!r}.", code="response_not_found")
