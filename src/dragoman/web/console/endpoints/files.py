"""The files of the people that the caller's agents work for."""

from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dragoman.domain.accounts.roles import require
from dragoman.domain.sandbox.model import Entry
from dragoman.domain.sandbox.names import WorkspaceUse
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import HEADERS, answer, done
from dragoman.web.console.gate import Visit, signed_in

_INERT = {**HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'"}


def _asked(visit: Visit) -> tuple[str, str]:
    query = visit.request.query_params
    user, path = query.get("user", ""), query.get("path", "/")
    if not user:
        raise InvalidInput("Say whose files: user.", param="user")
    return user, path


def _text(name: str) -> str:
    """A name of the file system, which need not be text."""
    return name.encode("utf-8", "replace").decode()


def _workspace(use: WorkspaceUse) -> JsonValue:
    return {"user": use.user, "bytes": use.size, "modifiedAt": iso(use.modified_at)}


def _entry(entry: Entry) -> JsonValue:
    return {
        "name": _text(entry.name),
        "folder": entry.is_directory,
        "bytes": entry.size,
        "modifiedAt": iso(entry.modified_at),
    }


async def workspaces(visit: Visit) -> Response:
    """Whose files there are, and how much they take."""
    sandbox = visit.services.sandbox
    found = await sandbox.workspaces(visit.caller)
    return answer(
        {"workspaces": [_workspace(one) for one in found], "mostBytes": sandbox.bounds.workspace_bytes}
    )


async def listing(visit: Visit) -> Response:
    """What is in a folder."""
    user, path = _asked(visit)
    return answer([_entry(one) for one in await visit.services.sandbox.listing(visit.caller, user, path)])


async def download(visit: Visit) -> Response:
    """A file, to be kept and never shown in this server's name."""
    user, path = _asked(visit)
    opened = await visit.services.sandbox.open(visit.caller, user, path)
    entry = opened.details.entry
    headers = {
        **_INERT,
        "Content-Length": str(entry.size or 0),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_text(entry.name), safe='')}",
    }
    return StreamingResponse(opened.pieces(), media_type=opened.details.media_type, headers=headers)


async def remove(visit: Visit) -> Response:
    """Removes a file, or a folder with everything in it."""
    require(visit.caller, "create")
    user, path = _asked(visit)
    sandbox = visit.services.sandbox
    if visit.request.query_params.get("folder") == "true":
        await sandbox.delete_folder(visit.caller, user, path)
    else:
        await sandbox.delete_file(visit.caller, user, path)
    return done()


ROUTES = [
    Route("/files", signed_in(workspaces), methods=["GET"]),
    Route("/files/listing", signed_in(listing), methods=["GET"]),
    Route("/files/content", signed_in(download), methods=["GET"]),
    Route("/files/content", signed_in(remove), methods=["DELETE"]),
]
