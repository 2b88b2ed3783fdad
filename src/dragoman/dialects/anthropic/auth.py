"""Who is calling, for the routes of this dialect."""

from starlette.requests import Request

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.kit.errors import Forbidden, Unauthenticated


def services_of(request: Request) -> Services:
    """The services that the composition root gave to this application."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def caller_of(request: Request) -> Caller:
    """The authenticated caller with a private key.

    Raises:
        Unauthenticated: no credential, or one that does not hold.
        Forbidden: a public key.
    """
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated("An API key is needed: send it in the header x-api-key.")
    caller = await services_of(request).accounts.keys.authenticate_slow(credential)
    if caller.key_kind == "public":
        raise Forbidden("A public key may not be used here; use a private one.", code="private_key_needed")
    return caller
