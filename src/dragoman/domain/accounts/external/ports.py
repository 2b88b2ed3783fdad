"""What a server that keeps accounts has to offer."""

from typing import Protocol

from dragoman.domain.accounts.external.model import Flow, Identity


class Issuer(Protocol):
    """An issuer of identities."""

    async def address(self, flow: Flow, callback: str) -> str:
        """Where the browser has to go to sign in there.

        Raises:
            Unavailable: the issuer cannot be reached, or is not what the settings say.
        """
        ...

    async def identity(self, flow: Flow, code: str, callback: str) -> Identity:
        """Who came back with that code, once every proof was checked.

        Raises:
            Unauthenticated: a proof does not hold.
            Unavailable: the issuer cannot be reached, or is not what the settings say.
        """
        ...

    async def leave(self, back: str) -> str | None:
        """Where the browser has to go to sign out there, None where that cannot be done."""
        ...
