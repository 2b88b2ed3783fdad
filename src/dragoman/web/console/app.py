"""The console as an application: its page, its API, and the dialects for those who are signed in."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from dragoman.domain.services import Services
from dragoman.kit.asgi import Application
from dragoman.kit.errors import DragomanError
from dragoman.web.assets import Assets
from dragoman.web.console.answers import crashed, refused, unrouted
from dragoman.web.console.endpoints import (
    audit,
    files,
    gateways,
    home,
    knowledge,
    oidc,
    organisations,
    people,
    session,
    sharing,
    system,
    usage,
)
from dragoman.web.console.forward import PREFIX, Forward
from dragoman.web.console.page import POLICY, console_page
from dragoman.web.console.system import SystemReport

ENDPOINTS = (session, home, people, organisations, sharing, usage, audit, gateways, knowledge, files, system)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}


def create_app(services: Services, dialects: Application, *, system: SystemReport | None = None) -> Starlette:
    """The application; its paths are whole. ``dialects`` answers what is handed on, ``system`` tells of the server."""
    assets = Assets()
    page = console_page(
        script=assets.address("console.js"),
        style=assets.address("console.css"),
        parts={name: assets.address(f"{name}.js") for name in ("highlight", "maths")},
    )

    async def shown(request: Request) -> Response:
        """The page, whatever of the console its address names."""
        return HTMLResponse(page, headers=_HEADERS)

    app = Starlette(
        routes=[
            Mount("/console/api", routes=[route for module in ENDPOINTS for route in module.ROUTES]),
            Mount("/console/oidc", routes=oidc.ROUTES),
            Mount(PREFIX, app=Forward(services, dialects)),
            Route("/console", shown),
            Route("/console/{rest:path}", shown),
        ],
        exception_handlers={DragomanError: refused, HTTPException: unrouted, Exception: crashed},
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.system = system
    return app
