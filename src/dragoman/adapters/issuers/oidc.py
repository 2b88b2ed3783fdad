"""An OpenID Connect issuer: the authorization code flow with PKCE, and every check of its proof."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jwt

from dragoman.adapters.issuers.discovery import Discovery, IssuerFacts, called
from dragoman.domain.accounts.external.model import Flow, Identity
from dragoman.kit.errors import Unauthenticated

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Client:
    """This server as the issuer knows it, and what is asked for. Without a secret PKCE alone proves who comes."""

    id: str
    secret: str | None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    groups_claim: str = "groups"


class OpenIdIssuer:
    """Signs people in at an OpenID issuer."""

    def __init__(self, discovery: Discovery, http: httpx.AsyncClient, client: Client) -> None:
        self._discovery = discovery
        self._http = http
        self._client = client

    async def address(self, flow: Flow, callback: str) -> str:
        """Where the browser has to go to sign in there.

        Raises:
            Unavailable: the issuer cannot be reached, or is not what the settings say.
        """
        facts = await self._discovery.facts()
        challenge = urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": callback,
            "scope": " ".join(self._client.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(facts.authorization_endpoint, asked)

    async def identity(self, flow: Flow, code: str, callback: str) -> Identity:
        """Who came back with that code, once every proof was checked.

        Raises:
            Unauthenticated: a proof does not hold.
            Unavailable: the issuer cannot be reached, or is not what the settings say.
        """
        facts = await self._discovery.facts()
        tokens = await self._redeemed(facts, flow, code, callback)
        claims = await self._checked(facts, tokens.get("id_token"), flow.nonce)
        if "email" not in claims or self._client.groups_claim not in claims:
            claims = {**await self._told(facts, tokens.get("access_token"), claims["sub"]), **claims}
        return _identity(facts.issuer, claims, self._client.groups_claim)

    async def leave(self, back: str) -> str | None:
        """Where the browser has to go to sign out there, None where that cannot be done."""
        facts = await self._discovery.facts()
        if facts.end_session_endpoint is None:
            return None
        asked = {"client_id": self._client.id, "post_logout_redirect_uri": back}
        return _with_query(facts.end_session_endpoint, asked)

    async def _redeemed(self, facts: IssuerFacts, flow: Flow, code: str, callback: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": flow.verifier,
        }
        secret, sent = self._client.secret, dict[str, Any]()
        if secret is None or "client_secret_basic" not in facts.token_endpoint_auth_methods_supported:
            form["client_id"] = self._client.id
            if secret is not None:
                form["client_secret"] = secret
        else:
            sent["auth"] = httpx.BasicAuth(quote(self._client.id, safe=""), quote(secret, safe=""))
        answer = await called(
            self._http,
            "POST",
            facts.token_endpoint,
            data=form,
            headers={"accept": "application/json"},
            **sent,
        )
        try:
            found = answer.json()
        except ValueError:
            found = None
        if answer.status_code != 200 or not isinstance(found, dict):
            raise Unauthenticated("The issuer does not take this sign-in.", code="oidc_code")
        return found

    async def _checked(self, facts: IssuerFacts, token: object, nonce: str) -> dict[str, Any]:
        """The claims of an identity token that holds."""
        if not isinstance(token, str):
            raise _no_proof("The issuer gave no identity token.")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in _ALGORITHMS:
                raise _no_proof("The identity token is signed in a way that is not taken.")
            key_id = header.get("kid")
            claims = jwt.decode(
                token,
                await self._discovery.key(key_id if isinstance(key_id, str) else None),
                algorithms=_ALGORITHMS,
                audience=self._client.id,
                issuer=facts.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise _no_proof(f"The identity token does not hold: {error}.") from error
        if claims.get("nonce") != nonce:
            raise _no_proof("The identity token was made for another sign-in.")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client.id) != self._client.id:
            raise _no_proof("The identity token was made for another program.")
        return claims

    async def _told(self, facts: IssuerFacts, token: object, subject: str) -> Mapping[str, Any]:
        """What the issuer tells of who signed in beside the token; nothing when it tells of somebody else."""
        if facts.userinfo_endpoint is None or not isinstance(token, str):
            return {}
        answer = await called(
            self._http, "GET", facts.userinfo_endpoint, headers={"authorization": f"Bearer {token}"}
        )
        try:
            found = answer.json()
        except ValueError:
            found = None
        if answer.status_code != 200 or not isinstance(found, dict) or found.get("sub") != subject:
            return {}
        return found


def _identity(issuer: str, claims: Mapping[str, Any], groups_claim: str) -> Identity:
    groups = claims.get(groups_claim)
    named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    email, name = claims.get("email"), claims.get("name")
    return Identity(
        issuer,
        str(claims["sub"]),
        email if isinstance(email, str) else None,
        claims.get("email_verified") in (True, "true"),
        name if isinstance(name, str) else None,
        tuple(one for one in named if isinstance(one, str)),
    )


def _with_query(address: str, asked: Mapping[str, str]) -> str:
    return address + ("&" if "?" in address else "?") + urlencode(asked)


def _no_proof(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, code="oidc_token")
