"""``Database.read(fn)`` and ``Database.write(fn)``: all access to state, on both engines.

``fn`` is a plain function over a SQLAlchemy Core connection. It never commits: returning commits, raising
rolls back.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")


class Database(Protocol):
    """One database of either kind."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    async def read(self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``fn`` returns over a consistent read snapshot.

        Raises:
            Unavailable: the database cannot be reached.
        """
        ...

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What ``fn`` returns, after its changes are durable.

        Cancelling the caller does not undo a change under way.

        Raises:
            Unavailable: the database is locked, full or cannot be reached; nothing was changed.
        """
        ...

    async def close(self) -> None:
        """Waits for writes under way and closes all connections."""
        ...
