"""Files in the workspaces of the caller's users: what a shell of theirs sees as its home."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.base_url import base_url
from dragoman.dialects.aivax.body import bounded, media_type
from dragoman.dialects.aivax.envelope import answer, is_wrapped, json_response, said
from dragoman.dialects.aivax.multipart import file_pieces
from dragoman.domain.sandbox.model import Entry, FileDetails
from dragoman.domain.sandbox.paths import parse_path
from dragoman.domain.sandbox.service import OpenedFile
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.jsontypes import JsonObject, JsonValue

router = APIRouter()

# What users put there must not run in this server's name.
_INERT = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


async def shell_user(request: Request) -> str:
    """Whose workspace is meant.

    Raises:
        InvalidInput: the header is missing.
    """
    user = request.headers.get("x-shell-user-id", "").strip()
    if not user:
        raise InvalidInput("The header X-Shell-User-Id is required.", param="X-Shell-User-Id")
    return user


async def path_in_query(request: Request) -> str:
    """The path that is meant, once it is one.

    Raises:
        InvalidInput: it is missing or leads above the root.
    """
    path = request.query_params.get("path")
    if path is None:
        raise InvalidInput("path is required.", param="path")
    parse_path(path)
    return path


ShellUser = Annotated[str, Depends(shell_user)]
FilePath = Annotated[str, Depends(path_in_query)]


def _sent(opened: OpenedFile, headers: dict[str, str]) -> Response:
    details = opened.details
    length = {"Content-Length": str(details.entry.size or 0)}
    return StreamingResponse(
        opened.pieces(), media_type=details.media_type, headers={**length, **_INERT, **headers}
    )


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"}


def _with_data(request: Request, value: JsonObject) -> Response:
    """An answer that is printed with ``data`` around it in either form."""
    return answer(request, value) if is_wrapped(request) else json_response({"data": value})


def _pieces(request: Request, maximum_bytes: int) -> AsyncIterator[bytes]:
    if media_type(request) == "multipart/form-data":
        return file_pieces(request, maximum_bytes=maximum_bytes)
    return bounded(request, maximum_bytes)


@router.get("/shell/io/file")
async def download_file(request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath) -> Response:
    """The file's bytes.

    Source: AIVAX API, "Download File".
    """
    return _sent(await services_of(request).sandbox.open(caller, user, path), {})


@router.post(
    "/shell/io/file",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_file(request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath) -> Response:
    """Stores the body, or the one file of a form, whole or not at all.

    Source: AIVAX API, "Upload File".
    """
    sandbox = services_of(request).sandbox
    await sandbox.put(caller, user, path, _pieces(request, sandbox.bounds.file_bytes))
    return said(request, "File uploaded successfully.")


@router.delete("/shell/io/file")
async def delete_file(request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath) -> Response:
    """Removes a file.

    Source: AIVAX API, "Delete File".
    """
    await services_of(request).sandbox.delete_file(caller, user, path)
    return said(request, "File deleted successfully.")


def _entry(entry: Entry) -> dict[str, JsonValue]:
    return {
        "name": entry.name.encode("utf-8", "replace").decode(),
        "isDirectory": entry.is_directory,
        "size": entry.size,
        "lastModifiedUtc": iso(entry.modified_at),
        "createdAtUtc": iso(entry.created_at),
    }


@router.get("/shell/io/listing")
async def list_directory(
    request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath
) -> Response:
    """What is in a folder, folders first, then by name.

    Source: AIVAX API, "List Directory".
    """
    found = await services_of(request).sandbox.listing(caller, user, path)
    return answer(request, {"entries": [_entry(entry) for entry in found]})


@router.post("/shell/io/directory")
async def create_directory(
    request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath
) -> Response:
    """Makes a folder and those above it.

    Source: AIVAX API, "Create Directory".
    """
    await services_of(request).sandbox.make_folder(caller, user, path)
    return said(request, "Directory created successfully.")


@router.delete("/shell/io/directory")
async def delete_directory(
    request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath
) -> Response:
    """Removes a folder with everything in it.

    Source: AIVAX API, "Delete Directory".
    """
    await services_of(request).sandbox.delete_folder(caller, user, path)
    return said(request, "Directory deleted successfully.")


def _details(details: FileDetails) -> dict[str, JsonValue]:
    entry = _entry(details.entry)
    return {
        "name": entry["name"],
        "size": entry["size"],
        "createdAtUtc": entry["createdAtUtc"],
        "lastModifiedUtc": entry["lastModifiedUtc"],
        "mimeType": details.media_type,
        "isPlainText": details.is_plain_text,
    }


@router.get("/shell/io/file/details")
async def file_details(request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath) -> Response:
    """What is known of a file; of one that is not there, an empty object with 404.

    Source: AIVAX API, "Get File Details".
    """
    try:
        details = await services_of(request).sandbox.details(caller, user, path)
    except NotFound:
        return json_response({}, status=404)
    return _with_data(request, _details(details))


@router.get("/shell/io/file/public-address")
async def public_address(
    request: Request, caller: PrivateCaller, user: ShellUser, path: FilePath
) -> Response:
    """An address at which anybody may fetch the file for 24 hours; without the file, an empty object with 404.

    Source: AIVAX API, "Get File Public Address".
    """
    try:
        details, token = await services_of(request).sandbox.share(caller, user, path)
    except NotFound:
        return json_response({}, status=404)
    address = f"{base_url(request)}/api/v1/public/ext-res/file/{token}"
    shown = _entry(details.entry)
    return _with_data(request, {"name": shown["name"], "size": shown["size"], "publicUrl": address})


@router.get("/public/ext-res/file/{token}")
async def fetch_shared_file(request: Request, token: str) -> Response:
    """A file by its public address, always to be saved and never to be shown; the address is the credential.

    Source: AIVAX API, "Get File Public Address".
    """
    opened = await services_of(request).sandbox.open_shared(token)
    name = opened.details.entry.name
    return _sent(opened, {**_attachment(name), "Cache-Control": "private, no-store"})
