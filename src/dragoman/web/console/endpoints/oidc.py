"""Signing in with an account that another server keeps: going there, and coming back."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dragoman.domain.accounts.external.service import ExternalSignIn
from dragoman.kit.errors import DragomanError, NotFound
from dragoman.web.console.answers import HEADERS, services_of
from dragoman.web.console.gate import base_of, let_in, visitor

_COOKIE = "dragoman_oidc"
_PATH = "/console/oidc"
_SECONDS = 600


def _external(request: Request) -> ExternalSignIn:
    external = services_of(request).oidc
    if external is None:
        raise NotFound("No other server keeps accounts for this one: see oidc.issuer.", code="oidc_off")
    return external


def _callback(request: Request) -> str:
    return f"{base_of(request)}{_PATH}/callback"


def _refused(code: str) -> Response:
    """Back to the page, which says why in its own words."""
    return RedirectResponse("/console?" + urlencode({"refused": code}), 303, headers=HEADERS)


async def start(request: Request) -> Response:
    """Sends the browser to the issuer."""
    try:
        begun = await _external(request).begin(_callback(request), visitor(request))
    except DragomanError as error:
        return _refused(error.code)
    answer = RedirectResponse(begun.address, 303, headers=HEADERS)
    # The way back is a navigation from the issuer's page, with which a strict cookie would not come.
    answer.set_cookie(
        _COOKIE,
        begun.secret,
        path=_PATH,
        max_age=_SECONDS,
        secure=base_of(request).startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


async def callback(request: Request) -> Response:
    """Lets in whom the issuer sends back."""
    query = request.query_params
    try:
        external = _external(request)
        if "error" in query:
            return _refused("oidc_declined")
        signed = await external.finish(
            state=query.get("state", ""),
            code=query.get("code", ""),
            browser=request.cookies.get(_COOKIE, ""),
            callback=_callback(request),
            visitor=visitor(request),
        )
    except DragomanError as error:
        answer = _refused(error.code)
    else:
        answer = let_in(
            RedirectResponse("/console", 303, headers=HEADERS), request, signed, services_of(request)
        )
    answer.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    return answer


ROUTES = [Route("/start", start), Route("/callback", callback)]
