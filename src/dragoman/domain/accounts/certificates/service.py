"""Which user a client certificate belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from anyio import to_thread

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.certificates.trust import Trust
from dragoman.domain.accounts.keytable import caller_of
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.signin.model import SignedIn, Visitor
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.kit.certificates import BadCertificate, ClientCertificate, read
from dragoman.kit.errors import DragomanError, Unauthenticated

NameKind = Literal["email", "principal", "common_name", "subject"]


@dataclass(frozen=True, slots=True)
class CertificateRules:
    """How a certificate names its owner.

    Args:
        name: which of its names counts; e-mails and principal names are compared with users' e-mails.
        users: e-mails of users by such a name, for names that are no e-mail of a user.
        enabled: whether certificates are taken at all.
    """

    name: NameKind = "email"
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    enabled: bool = False


class ClientCertificates:
    """Tells whose a certificate is, once it was found to hold."""

    def __init__(self, database: Database, signin: SignIn, trust: Trust, rules: CertificateRules) -> None:
        self._database = database
        self._signin = signin
        self._trust = trust
        self._rules = rules
        self._users = {name.strip().lower(): email.strip().lower() for name, email in rules.users.items()}

    async def owner(self, der: bytes | None) -> User:
        """The user to whom a certificate belongs.

        Raises:
            Unauthenticated: there is no certificate, it does not hold, or no user has it.
        """
        if der is None or not self._rules.enabled:
            raise Unauthenticated("No client certificate was presented.", code="certificate_missing")
        try:
            given = read(der)
        except BadCertificate as error:
            raise Unauthenticated(
                "What was presented is no certificate.", code="certificate_refused"
            ) from error
        await to_thread.run_sync(self._trust.check, given)
        emails = [self._users.get(name, name) for name in self._names(given)]
        found = [await self._database.read(repository.user_by_email, email) for email in emails if email]
        users = {user.id: user for user in found if user is not None and not user.disabled}
        if len(users) != 1:
            raise Unauthenticated("The certificate belongs to no user here.", code="certificate_unknown")
        return next(iter(users.values()))

    async def prove(self, caller: Caller, der: bytes | None) -> bool:
        """Whether a certificate that holds proves that the caller's user is there."""
        if der is None or not self._rules.enabled:
            return False
        try:
            return (await self.owner(der)).id == caller.user_id
        except DragomanError:
            return False

    async def enter(self, der: bytes | None, visitor: Visitor) -> SignedIn:
        """A session for the owner of a certificate.

        Raises:
            Unauthenticated: there is no certificate, it does not hold, or no user has it.
            QuotaExceeded: too many attempts from the address.
        """
        await self._signin.attempted(visitor)
        try:
            user = await self.owner(der)
        except Unauthenticated:
            await self._signin.failed(visitor)
            raise
        self._signin.made_it(visitor)
        return await self._database.write(
            lambda connection: self._signin.open(connection, caller_of(user), visitor, way="certificate")
        )

    def _names(self, given: ClientCertificate) -> tuple[str, ...]:
        match self._rules.name:
            case "email":
                return given.emails
            case "principal":
                return given.principals
            case "common_name":
                return (given.common_name.strip().lower(),)
            case "subject":
                return (given.subject.strip().lower(),)
