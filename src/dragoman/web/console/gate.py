"""Who comes to the console: the session's cookie, and the proof that a request was made by the console's own page."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.signin.model import Session, SignedIn, Visitor
from dragoman.domain.services import Services
from dragoman.kit.errors import Forbidden
from dragoman.web.console.answers import services_of

COOKIE = "dragoman_console"
TOKEN_HEADER = "x-console-token"  # noqa: S105 - a name
_PATH = "/console"
_SAFE = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in."""

    request: Request
    services: Services
    session: Session
    caller: Caller


Handler = Callable[[Visit], Awaitable[Response]]


def token_of(secret: str) -> str:
    """What the page has to send with each change; no other site can read it."""
    return hashlib.sha256(b"console token\0" + secret.encode("utf-8", "surrogatepass")).hexdigest()


def visitor(connection: HTTPConnection) -> Visitor:
    """Where the request came from."""
    client = connection.client
    return Visitor(client.host if client else "", connection.headers.get("user-agent", ""))


def check_own_page(connection: HTTPConnection, method: str, services: Services) -> None:
    """Refuses what another site's page has sent.

    Raises:
        Forbidden: the browser says that another site asks, or a change lacks the page's own header.
    """
    headers = connection.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site is not None and site not in _OWN_SITE
    if origin is not None and not _is_own(
        origin, headers.get("host", ""), services.settings.server.public_url
    ):
        foreign = True
    if foreign or (method not in _SAFE and TOKEN_HEADER not in headers):
        raise Forbidden("Only the console's own page may ask for this.", code="foreign_page")


def _is_own(origin: str, host: str, public_url: str | None) -> bool:
    given = urlsplit(origin).netloc.lower()
    return bool(given) and given in (host.lower(), urlsplit(public_url or "").netloc.lower())


async def find(connection: HTTPConnection, method: str, services: Services) -> tuple[Session, Caller]:
    """The session of a request and whose it is.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the request was not made by the console's page.
    """
    check_own_page(connection, method, services)
    secret = connection.cookies.get(COOKIE, "")
    session, caller = await services.accounts.signin.find(secret)
    if method not in _SAFE:
        given = connection.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), token_of(secret).encode()):
            raise Forbidden("This page is of another session: load it anew.", code="stale_page")
    return session, caller


def signed_in(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint for those who are signed in only."""

    async def endpoint(request: Request) -> Response:
        services = services_of(request)
        session, caller = await find(request, request.method, services)
        return await handler(Visit(request, services, session, caller))

    return endpoint


def base_of(request: Request) -> str:
    """The server's address as people use it."""
    url = request.url
    return services_of(request).settings.server.public_url or f"{url.scheme}://{url.netloc}"


def let_in(response: Response, request: Request, signed: SignedIn, services: Services) -> Response:
    """The answer, with the new session's cookie."""
    public = services.settings.server.public_url or ""
    response.set_cookie(
        COOKIE,
        signed.secret,
        path=_PATH,
        max_age=services.settings.console.session_hours * 3600,
        secure=request.url.scheme == "https" or public.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return response


def let_out(response: Response) -> Response:
    """The answer that takes the cookie away."""
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="strict")
    return response
