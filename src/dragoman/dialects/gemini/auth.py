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
    """The authenticated caller with a private key; the key stands in a header or as ``?key=``.

    Raises:
        Unauthenticated: no credential, or one that does not hold.
        Forbidden: a public key.
    """
    credential = (
        request.headers.get("x-goog-api-key", "").strip()
        or parse_credentials(request.headers, request.query_params)
        or request.query_params.get("key", "").strip()
    )
    if not credential:
        raise Unauthenticated("An API key is needed: send it in the header x-goog-api-key.")
    caller = await services_of(request).accounts.keys.authenticate_slow(credential)
    if caller.key_kind == "public":
        raise Forbidden("A public key may not be used here; use a private one.", code="private_key_needed")
    return caller
