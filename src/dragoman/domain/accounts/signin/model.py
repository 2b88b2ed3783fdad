"""Values of signing in."""

from dataclasses import dataclass

from dragoman.domain.accounts.caller import Caller


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks to be let in: the address, and what the browser calls itself."""

    address: str
    program: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session with its secret, which is not kept and cannot be had again."""

    secret: str
    caller: Caller
    expires_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds. Times are in milliseconds; ``way`` is how it was opened, None for one of before that was kept."""

    id: str
    user_id: str
    key_id: str | None
    address: str
    program: str
    created_at: int
    seen_at: int
    expires_at: int
    way: str | None = None


@dataclass(frozen=True, slots=True)
class SetupLink:
    """What lets a user set a password, once; ``token`` is not kept."""

    token: str
    email: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class SignInBounds:
    """How long things hold, in milliseconds: a session at most, and unused; a setup link."""

    session_ms: int = 7 * 86_400_000
    unused_ms: int = 86_400_000
    link_ms: int = 30 * 60_000
