"""What an OpenID issuer says of itself, and its keys: fetched, checked, kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from dragoman.kit.errors import DragomanError, Unauthenticated, Unavailable

_KEPT_SECONDS = 3600.0
_AGAIN_SECONDS = 30.0
_SECONDS = 15.0
# What a symmetric key or none at all would sign, anybody could: never taken.
_KINDS = ("RSA", "EC", "OKP")


class IssuerFacts(BaseModel):
    """The issuer's document of itself, as far as it is used."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class Discovery:
    """An issuer's facts and keys. Both are fetched anew after an hour, keys also, at most every
    half minute, when one is asked for that is not known.

    Args:
        client: a guarded client for the operator's addresses.
    """

    def __init__(
        self, issuer: str, client: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._facts: IssuerFacts | None = None
        self._facts_at = 0.0
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._keys_at = self._asked_at = float("-inf")

    async def facts(self) -> IssuerFacts:
        """What the issuer says of itself.

        Raises:
            Unavailable: it cannot be reached, or calls itself otherwise.
        """
        async with self._lock:
            if self._facts is None or self._clock() - self._facts_at > _KEPT_SECONDS:
                address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = await self._document(address)
                try:
                    facts = IssuerFacts.model_validate(found)
                except ValidationError as error:
                    raise Unavailable(
                        "The issuer's own document is not whole.", code="oidc_issuer"
                    ) from error
                if facts.issuer.rstrip("/") != self._issuer.rstrip("/"):
                    raise Unavailable("The issuer calls itself by another name.", code="oidc_issuer")
                self._facts, self._facts_at = facts, self._clock()
            return self._facts

    async def key(self, key_id: str | None) -> jwt.PyJWK:
        """The issuer's key of that id; without an id, its only one.

        Raises:
            Unauthenticated: it has none.
            Unavailable: it cannot be reached.
        """
        facts = await self.facts()
        async with self._lock:
            if self._clock() - self._keys_at > _KEPT_SECONDS:
                await self._fetch_keys(facts)
            elif self._found(key_id) is None and self._clock() - self._asked_at > _AGAIN_SECONDS:
                self._asked_at = self._clock()
                await self._fetch_keys(facts)
        found = self._found(key_id)
        if found is None:
            raise Unauthenticated("The proof is signed by no key of the issuer.", code="oidc_token")
        return found

    async def _fetch_keys(self, facts: IssuerFacts) -> None:
        self._keys = _keys(await self._document(facts.jwks_uri))
        self._keys_at = self._clock()

    def _found(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _document(self, address: str) -> dict[str, Any]:
        answer = await called(self._client, "GET", address)
        try:
            found = answer.json()
        except ValueError as error:
            raise Unavailable("The issuer did not answer in JSON.", code="oidc_issuer") from error
        if answer.status_code != 200 or not isinstance(found, dict):
            raise Unavailable(f"The issuer answered with status {answer.status_code}.", code="oidc_issuer")
        return found


async def called(client: httpx.AsyncClient, method: str, address: str, **given: Any) -> httpx.Response:
    """The issuer's answer.

    Raises:
        Unavailable: there is none in time.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await client.request(method, address, **given)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unavailable(
            f"The issuer cannot be reached ({type(error).__name__}).", code="oidc_issuer"
        ) from error
    except DragomanError as error:
        # The guard's word is about the operator's settings, not about who signs in.
        raise Unavailable(error.detail, code="oidc_issuer") from error


def _keys(document: dict[str, Any]) -> dict[str | None, jwt.PyJWK]:
    found: dict[str | None, jwt.PyJWK] = {}
    for key in document.get("keys", ()):
        if not isinstance(key, dict) or key.get("kty") not in _KINDS or key.get("use", "sig") != "sig":
            continue
        try:
            found[key.get("kid")] = jwt.PyJWK.from_dict(key)
        except jwt.PyJWTError:
            # Keys of kinds that are not known here may stand beside those that are.
            continue
    return found
