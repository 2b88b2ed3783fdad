"""The nonce by which an account's own servers know that a call comes from here: a bcrypt hash of the account's salt."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

import bcrypt
from anyio import to_thread

KEPT_SECONDS = 60.0
_REMEMBERED = 10_000
# A salt is 256 random bits: no cost makes it harder to guess, and the hash is on the way of every call.
_ROUNDS = 8
_PREFIX = b"2a"


class Nonces:
    """One nonce per salt, kept for a minute; a new salt has a new nonce at once."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._turns: dict[str, asyncio.Lock] = {}

    async def of(self, salt: str) -> str:
        """A hash that ``bcrypt.checkpw`` finds to be the salt's. It is made off the event loop."""
        kept = self._known(salt)
        if kept is not None:
            return kept
        turn = self._turns.setdefault(salt, asyncio.Lock())
        try:
            async with turn:
                kept = self._known(salt)
                return kept if kept is not None else await self._made(salt)
        finally:
            if not turn.locked():
                self._turns.pop(salt, None)

    def _known(self, salt: str) -> str | None:
        until, nonce = self._kept.get(salt, (0.0, ""))
        return nonce if self._monotonic() < until else None

    async def _made(self, salt: str) -> str:
        nonce = (await to_thread.run_sync(_hashed, salt.encode())).decode()
        self._kept[salt] = (self._monotonic() + KEPT_SECONDS, nonce)
        self._kept.move_to_end(salt)
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return nonce


def _hashed(salt: bytes) -> bytes:
    return bcrypt.hashpw(salt, bcrypt.gensalt(_ROUNDS, _PREFIX))
