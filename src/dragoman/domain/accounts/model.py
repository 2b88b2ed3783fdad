"""Users, keys and logins as they are stored."""

from dataclasses import dataclass
from typing import Literal

from dragoman.domain.accounts.caller import Role

KeyKind = Literal["private", "public"]


@dataclass(frozen=True, slots=True)
class User:
    """A user with the name of the organisation. ``number`` is the decimal id, ``created_at`` milliseconds."""

    number: int
    id: str
    organisation_id: str
    organisation: str
    email: str
    name: str | None
    role: Role
    disabled: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key after it was shown once. Times are in milliseconds, None for never."""

    id: str
    user_id: str
    email: str
    label: str
    last_six: str
    kind: KeyKind
    expires_at: int | None
    used_at: int | None
    revoked_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Login:
    """An attempt to get a token. ``at`` is in milliseconds."""

    number: int
    address: str
    kind: str
    succeeded: bool
    at: int


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """A key that is neither revoked nor of a disabled user, as the key table holds it."""

    id: str
    user_id: str
    digest: bytes
    kind: KeyKind
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """Everything that authentication needs, as of one moment."""

    users: tuple[User, ...]
    keys: tuple[ActiveKey, ...]
