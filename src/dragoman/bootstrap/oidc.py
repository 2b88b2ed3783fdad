"""Signing in with an account that another server keeps, when the settings name one."""

from dragoman.adapters.issuers.discovery import Discovery
from dragoman.adapters.issuers.oidc import Client, OpenIdIssuer
from dragoman.bootstrap.foundation import Foundation
from dragoman.domain.accounts.external.model import EntryRules
from dragoman.domain.accounts.external.service import ExternalSignIn
from dragoman.kit.egress import guarded_client

_SECONDS = 15.0
_BYTES = 1024 * 1024


def open_oidc(base: Foundation) -> ExternalSignIn | None:
    """The issuer's sign-in, None without one; what needs closing is given to the stack."""
    settings, accounts = base.settings, base.accounts
    oidc = settings.oidc
    if oidc.issuer is None or oidc.client_id is None:
        return None
    http = guarded_client(base.policy.for_operator(), timeout_seconds=_SECONDS, max_bytes=_BYTES)
    base.stack.push_async_callback(http.aclose)
    secret = oidc.client_secret.get_secret_value() if oidc.client_secret is not None else None
    client = Client(oidc.client_id, secret, tuple(oidc.scopes), oidc.groups_claim)
    rules = EntryRules(
        domains=tuple(oidc.domains),
        groups=tuple(oidc.groups),
        roles=dict(oidc.roles),
        create=oidc.users == "create",
        organisation=oidc.organisation or settings.console.operators,
        default_role=None if oidc.default_role == "none" else oidc.default_role,
        trust_email=oidc.trust_email,
    )
    issuer = OpenIdIssuer(Discovery(str(oidc.issuer), http), http, client)
    return ExternalSignIn(base.database, accounts.versions, accounts.signin, issuer, rules, label=oidc.label)
