"""Values of signing in with an account that another server keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dragoman.domain.accounts.caller import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an issuer vouches for. ``subject`` is the issuer's own name for them and never changes; the e-mail may."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that has begun: what the answer of the issuer has to fit. All of it is secret but ``state``."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and what it has to keep until it comes back."""

    address: str
    secret: str


@dataclass(frozen=True, slots=True)
class EntryRules:
    """Who may come in, and as what.

    Args:
        domains: e-mails of these only; empty is all.
        groups: members of at least one of these only; empty is everybody.
        roles: the role that a group gives; of several the highest.
        create: make a user for somebody who has none; else they must have been invited.
        organisation: name or id of the organisation of new users; None is the operators'.
        default_role: role of new users whom no group gives one; None lets none of those in.
        trust_email: also take an e-mail that the issuer does not call verified.
    """

    domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict[str, Role])
    create: bool = False
    organisation: str | None = None
    default_role: Role | None = "viewer"
    trust_email: bool = False
