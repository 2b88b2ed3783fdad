"""Passwords as they are stored: scrypt, with its parameters beside the result."""

import base64
import hashlib
import hmac
import secrets
import unicodedata

import anyio
from anyio import to_thread

from dragoman.kit.errors import InvalidInput

SHORTEST = 10
LONGEST = 200
_LEAST_KINDS = 5
_METHOD = "scrypt"
_N, _R, _P = 2**15, 8, 3
_MEMORY = 256 * _N * _R
_SALT_BYTES = 16
_AT_ONCE = 2


def checked(password: str, email: str) -> str:
    """The password, when it is one to be used.

    Raises:
        InvalidInput: it is too short, too long or too easily guessed.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"A password has {SHORTEST} to {LONGEST} characters.", param="password")
    folded = password.casefold()
    if len(set(folded)) < _LEAST_KINDS or folded in (email.casefold(), email.casefold().partition("@")[0]):
        raise InvalidInput("This password is too easily guessed.", param="password")
    return password


class PasswordHasher:
    """Makes and compares digests in threads, few at a time, as each takes much memory."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def digest(self, password: str) -> str:
        """What is stored of a password."""
        salt = secrets.token_bytes(_SALT_BYTES)
        made = await self._derived(password, salt, _N, _R, _P)
        return "$".join((_METHOD, str(_N), str(_R), str(_P), _text(salt), _text(made)))

    async def matches(self, password: str, digest: str | None) -> bool:
        """Whether the password is the one; without a digest it takes as long to say no."""
        if digest is None:
            await self._derived(password, bytes(_SALT_BYTES), _N, _R, _P)
            return False
        _, n, r, p, salt, stored = digest.split("$")
        made = await self._derived(password, base64.b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(made, base64.b64decode(stored))

    async def _derived(self, password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
        # However a keyboard puts an accented letter together, it is the same password.
        plain = unicodedata.normalize("NFKC", password[: LONGEST * 2]).encode("utf-8", "surrogatepass")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        return await to_thread.run_sync(
            lambda: hashlib.scrypt(plain, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32),
            limiter=self._limiter,
        )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
