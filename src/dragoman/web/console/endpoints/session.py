"""Signing in and out, setup links, one's own password and sessions."""

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman import __version__
from dragoman.domain.accounts.roles import Right, may
from dragoman.domain.accounts.signin.model import Session, SignedIn
from dragoman.kit.certificates import presented
from dragoman.kit.clock import iso
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import Body, answer, done, read, services_of
from dragoman.web.console.gate import (
    COOKIE,
    Visit,
    base_of,
    check_own_page,
    let_in,
    let_out,
    signed_in,
    token_of,
    visitor,
)

log = structlog.get_logger(__name__)

_RIGHTS: tuple[Right, ...] = ("use", "create", "manage", "own")


class LoginBody(Body):
    """An e-mail with its password, an API key, or the certificate that comes with the request."""

    email: str | None = None
    password: str | None = None
    key: str | None = None
    certificate: bool = False


class TokenBody(Body):
    """The token of a setup link."""

    token: str


class SetupBody(Body):
    """The token of a setup link and the password to be set."""

    token: str
    password: str


class PasswordBody(Body):
    """The password there is, and the one to be."""

    old: str
    new: str


async def _entered(request: Request, signed: SignedIn) -> Response:
    services = services_of(request)
    body = {"token": token_of(signed.secret), "expiresAt": iso(signed.expires_at)}
    return let_in(answer(body), request, signed, services)


async def log_in(request: Request) -> Response:
    """A session by password or by API key."""
    services = services_of(request)
    check_own_page(request, request.method, services)
    given = await read(request, LoginBody)
    signin = services.accounts.signin
    if given.certificate:
        return await _entered(
            request, await services.certificates.enter(presented(request.scope), visitor(request))
        )
    if given.key:
        return await _entered(request, await signin.by_key(given.key, visitor(request)))
    if not given.email or not given.password:
        raise InvalidInput("E-mail and password are needed, or an API key.", param="email")
    return await _entered(request, await signin.by_password(given.email, given.password, visitor(request)))


async def look_at_link(request: Request) -> Response:
    """Whom a setup link is for."""
    services = services_of(request)
    check_own_page(request, request.method, services)
    given = await read(request, TokenBody)
    return answer({"email": await services.accounts.signin.invited(given.token, visitor(request))})


async def set_up(request: Request) -> Response:
    """Sets the password by a setup link, and lets the user in."""
    services = services_of(request)
    check_own_page(request, request.method, services)
    given = await read(request, SetupBody)
    return await _entered(
        request, await services.accounts.signin.set_up(given.token, given.password, visitor(request))
    )


async def show(visit: Visit) -> Response:
    """Who is signed in, what they may do, and the token that changes need."""
    user = await visit.services.accounts.user(visit.caller)
    value: dict[str, JsonValue] = {
        "version": __version__,
        "token": token_of(visit.request.cookies.get(COOKIE, "")),
        "user": {
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "role": user.role,
            "organisation": user.organisation,
        },
        "rights": await _rights(visit),
        "hasPassword": await visit.services.accounts.signin.has_password(visit.caller),
        "session": visit.session.id,
    }
    return answer(value)


async def _rights(visit: Visit) -> list[JsonValue]:
    """What the caller's role allows; ``operate`` and ``found`` are for those who look after the server itself."""
    rights: list[JsonValue] = [right for right in _RIGHTS if may(visit.caller, right)]
    if await visit.services.accounts.operators.include(visit.caller):
        rights += ["operate", "found"] if may(visit.caller, "own") else ["operate"]
    return rights


async def log_out(visit: Visit) -> Response:
    """Ends this session; ``next`` is where the browser signs out at who vouched for the user."""
    await visit.services.accounts.signin.end(visit.caller, visit.session.id)
    external = visit.services.oidc
    if external is None or visit.session.way != "oidc":
        return let_out(done())
    try:
        leaving: JsonValue = await external.leave(f"{base_of(visit.request)}/console")
    except DragomanError as error:
        # The session here is over whether or not the issuer can be reached.
        log.warning("oidc.leave_failed", reason=error.detail)
        leaving = None
    return let_out(answer({"next": leaving}))


async def ways(request: Request) -> Response:
    """The ways to sign in beside a password and a key."""
    services = services_of(request)
    check_own_page(request, request.method, services)
    external, owner = services.oidc, None
    try:
        owner = (await services.certificates.owner(presented(request.scope))).email
    except DragomanError as error:
        # Without a certificate that holds, that way is not offered.
        log.debug("certificate.not_offered", reason=error.code)
    return answer({"oidc": None if external is None else external.label, "certificate": owner})


async def change_password(visit: Visit) -> Response:
    """Sets another password; the user's other sessions end."""
    given = await read(visit.request, PasswordBody)
    await visit.services.accounts.signin.change_password(
        visit.caller, visit.session, old=given.old, new=given.new
    )
    return done()


async def sessions(visit: Visit) -> Response:
    """The user's sessions."""
    found = await visit.services.accounts.signin.sessions(visit.caller)
    return answer([_session(one, visit.session.id) for one in found])


async def end_all(visit: Visit) -> Response:
    """Ends all of the user's sessions, this one too."""
    await visit.services.accounts.signin.end_all(visit.caller)
    return let_out(done())


async def end_session(visit: Visit) -> Response:
    """Ends one of the user's sessions."""
    await visit.services.accounts.signin.end(visit.caller, visit.request.path_params["session"])
    return done()


def _session(session: Session, own: str) -> dict[str, JsonValue]:
    return {
        "id": session.id,
        "address": session.address,
        "program": session.program,
        "createdAt": iso(session.created_at),
        "seenAt": iso(session.seen_at),
        "expiresAt": iso(session.expires_at),
        "byKey": session.key_id is not None,
        "way": session.way,
        "own": session.id == own,
    }


ROUTES = [
    Route("/ways", ways),
    Route("/session", log_in, methods=["POST"]),
    Route("/session", signed_in(show), methods=["GET"]),
    Route("/session", signed_in(log_out), methods=["DELETE"]),
    Route("/setup/look", look_at_link, methods=["POST"]),
    Route("/setup", set_up, methods=["POST"]),
    Route("/password", signed_in(change_password), methods=["PUT"]),
    Route("/sessions", signed_in(sessions), methods=["GET"]),
    Route("/sessions", signed_in(end_all), methods=["DELETE"]),
    Route("/sessions/{session}", signed_in(end_session), methods=["DELETE"]),
]
