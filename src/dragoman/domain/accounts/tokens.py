"""24-hour tokens: signed with the server's own key, checked without the database."""

from dataclasses import dataclass
from typing import Any

import jwt

from dragoman.domain.accounts.caller import Caller
from dragoman.kit.errors import Unauthenticated
from dragoman.kit.ids import uuid7

TOKEN_SECONDS = 24 * 3600
_ALGORITHM = "HS256"
_AUDIENCE = "dragoman"


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a valid token says. ``key_id`` is the API key it was exchanged for; ``expires_at`` is in
    milliseconds.
    """

    user_id: str
    key_id: str | None
    expires_at: int


class TokenSigner:
    """Makes and checks tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mint(self, caller: Caller, *, now_ms: int) -> str:
        """A token for the caller, good for 24 hours while the key it comes from stays in force."""
        issued = now_ms // 1000
        claims: dict[str, Any] = {
            "sub": caller.user_id,
            "jti": uuid7(),
            "aud": _AUDIENCE,
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
        }
        if caller.key_id is not None:
            claims["key"] = caller.key_id
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def verify(self, token: str, *, now_ms: int) -> TokenClaims:
        """The claims of a token that this server signed and that is still good.

        Raises:
            Unauthenticated: it is not.
        """
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["sub", "exp", "iat"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The token is not valid.") from error
        expires_at = int(claims["exp"]) * 1000
        if expires_at <= now_ms:
            raise Unauthenticated("The token has expired; get a new one.", code="token_expired")
        return TokenClaims(str(claims["sub"]), claims.get("key"), expires_at)


def looks_like_token(credential: str) -> bool:
    """Whether the credential has the form of a token, as no API key has."""
    return credential.startswith("eyJ") and credential.count(".") == 2
