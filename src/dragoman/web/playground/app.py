"""The page on which one talks to an agent, mounted under ``/playground``."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "playground.js": ("playground.js", "text/javascript; charset=utf-8"),
    "rooms.js": ("rooms.js", "text/javascript; charset=utf-8"),
    "settings.js": ("settings.js", "text/javascript; charset=utf-8"),
    "sound.js": ("sound.js", "text/javascript; charset=utf-8"),
    "playground.css": ("playground.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; "
    "media-src 'self' blob:; worker-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "permissions-policy": "microphone=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


async def _file(request: Request) -> Response:
    found = _FILES.get(request.path_params["name"].strip("/"))
    if found is None:
        return PlainTextResponse("There is no such page.", status_code=404)
    name, kind = found
    return FileResponse(_STATIC / name, media_type=kind, headers=_HEADERS)


def create_app() -> Starlette:
    """The application: files and nothing else."""
    return Starlette(routes=[Route("/{name:path}", _file, methods=["GET"])])
