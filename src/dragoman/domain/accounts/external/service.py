"""Letting people in whom another server vouches for."""

import hashlib
import secrets
from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.external import entry, repository
from dragoman.domain.accounts.external.model import Begun, EntryRules, Flow
from dragoman.domain.accounts.external.ports import Issuer
from dragoman.domain.accounts.keytable import caller_of
from dragoman.domain.accounts.signin.model import SignedIn, Visitor
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.domain.accounts.versions import Versions
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, Unauthenticated, Unavailable

_FLOW_MS = 10 * 60_000
_SECRET_BYTES = 32
_LONGEST = 4096


class ExternalSignIn:
    """Signing in at one issuer. Each begun sign-in comes back once, in the browser that began it, within ten minutes."""

    def __init__(
        self,
        database: Database,
        versions: Versions,
        signin: SignIn,
        issuer: Issuer,
        rules: EntryRules,
        *,
        label: str,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._versions = versions
        self._signin = signin
        self._issuer = issuer
        self._rules = rules
        self._clock_ms = clock_ms
        self.label = label

    async def begin(self, callback: str, visitor: Visitor) -> Begun:
        """Where the browser has to go, and what it has to keep.

        Raises:
            Unavailable: the issuer cannot be reached, or too many sign-ins are under way.
            QuotaExceeded: too many attempts from the address.
        """
        await self._signin.attempted(visitor)
        flow = Flow(*(secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3)))
        browser = secrets.token_urlsafe(_SECRET_BYTES)
        address = await self._issuer.address(flow, callback)
        now = self._clock_ms()

        def store(connection: Connection) -> bool:
            return repository.insert_flow(
                connection,
                flow,
                state=_digest(flow.state),
                browser=_digest(browser),
                now=now,
                expires_at=now + _FLOW_MS,
            )

        if not await self._database.write(store):
            raise Unavailable("Too many sign-ins are under way; try again later.", code="oidc_busy")
        return Begun(address, browser)

    async def finish(
        self, *, state: str, code: str, browser: str, callback: str, visitor: Visitor
    ) -> SignedIn:
        """A session for who came back from the issuer.

        Raises:
            Unauthenticated: the sign-in was not begun here by this browser, was used already, or a proof does not hold.
            Forbidden: the rules do not let them in.
            Unavailable: the issuer cannot be reached.
            QuotaExceeded: too many attempts from the address.
        """
        if max(len(state), len(code), len(browser)) > _LONGEST:
            raise Unauthenticated("This sign-in does not hold.", code="oidc_state")
        await self._signin.attempted(visitor)
        taken = await self._database.write(
            repository.take_flow, _digest(state), _digest(browser), self._clock_ms()
        )
        if taken is None:
            raise Unauthenticated(
                "This sign-in was not begun here, or is over: begin anew.", code="oidc_state"
            )
        try:
            identity = await self._issuer.identity(Flow(state, *taken), code, callback)
        except Unauthenticated:
            await self._signin.failed(visitor)
            raise

        def enter(connection: Connection) -> SignedIn:
            user = entry.entered(connection, identity, self._rules, self._clock_ms())
            return self._signin.open(connection, caller_of(user), visitor, way="oidc")

        try:
            signed = await self._database.write(enter)
        except Forbidden:
            await self._signin.failed(visitor)
            raise
        await self._versions.check()
        # Both the attempt that was begun and its end.
        self._signin.made_it(visitor)
        self._signin.made_it(visitor)
        return signed

    async def leave(self, back: str) -> str | None:
        """Where the browser has to go to sign out at the issuer, None where that cannot be done."""
        return await self._issuer.leave(back)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
