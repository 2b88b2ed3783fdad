"""Who is calling, with a key or, where the operator allows it, without."""

from fastapi import Request

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.kit.errors import Forbidden, QuotaExceeded, Unauthenticated
from dragoman.kit.gcra import RateLimit


def services_of(request: Request) -> Services:
    """The services that the composition root gave to this application."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def caller_of(request: Request) -> Caller:
    """The caller with a private key.

    Raises:
        Unauthenticated: no credential, or one that does not hold.
        Forbidden: a public key.
    """
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated("An API key is needed: send it as 'Authorization: Bearer sk-...'.")
    caller = await services_of(request).accounts.keys.authenticate_slow(credential)
    if caller.key_kind == "public":
        raise Forbidden("A public key may not be used here; use a private one.", code="private_key_needed")
    return caller


async def caller_or_public(request: Request) -> Caller:
    """The caller, or the account that public tokens are for.

    Raises:
        Unauthenticated: as ``caller_of``, where tokens are not given to everybody.
        QuotaExceeded: too many public tokens for this address.
    """
    services = services_of(request)
    voice = services.settings.voice
    if not voice.public or parse_credentials(request.headers, request.query_params) is not None:
        return await caller_of(request)
    limit: RateLimit = request.app.state.public_limit
    wait = limit.wait_seconds(request.client.host if request.client else "")
    if wait:
        raise QuotaExceeded("Too many tokens for this address.", retry_after_seconds=wait)
    assert voice.public_email is not None
    return await services.accounts.admin.caller(voice.public_email)
