"""Files that are attached to what is asked in a session. The access key in the path is the credential.

The published reference has no such operations; their form is this server's own.
"""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import services_of
from dragoman.dialects.aivax.body import bounded, media_type
from dragoman.dialects.aivax.chat_content import attachment, below
from dragoman.dialects.aivax.envelope import json_response, said
from dragoman.dialects.aivax.multipart import Described, file_pieces
from dragoman.domain.chat.uploads.model import Upload
from dragoman.kit.errors import TooLarge

router = APIRouter()

_BASE = "/public/chat-clients/{access_key}"
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/")
_SAFE = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@router.post(_BASE + "/attachments", status_code=201)
async def attach(request: Request, access_key: str) -> Response:
    """Takes in a file, as the whole body with its ``name`` in the query, or as the one file of a multipart form.

    A prompt names it by a part ``{"type": "attachment", "attachment": {"id": "..."}}``.
    """
    services = services_of(request)
    # Nobody is listened to for long who may not speak here.
    await services.chat.find(access_key)
    told = Described(request.query_params.get("name", ""), media_type(request))
    most = services.chat_uploads.limits.file_bytes
    try:
        if told.media_type == "multipart/form-data":
            pieces = [piece async for piece in file_pieces(request, maximum_bytes=most, described=told)]
        else:
            pieces = [piece async for piece in bounded(request, most)]
    except TooLarge as error:
        raise TooLarge(
            f"A file has at most {most} bytes.", param="file", code="attachment_too_large"
        ) from error
    stored = await services.chat_uploads.put(
        access_key, name=told.name, media_type=told.media_type, data=b"".join(pieces)
    )
    base = quote(request.url.path.removesuffix("/attachments"))
    return json_response(attachment({}, stored, below(base)), status=201)


@router.get(_BASE + "/attachments/{attachment_id}")
async def attached(request: Request, access_key: str, attachment_id: str) -> Response:
    """An attached file's content. What a browser might run is only ever downloaded."""
    return _sent(*await services_of(request).chat_uploads.get(access_key, attachment_id))


@router.get("/public/ext-res/attachment/{token}/{name}", include_in_schema=False)
@router.get("/public/ext-res/attachment/{token}")
async def shared(request: Request, token: str) -> Response:
    """A file that a model could only be told of; the address is the credential."""
    return _sent(*await services_of(request).chat_uploads.shared(token))


def _sent(upload: Upload, data: bytes) -> Response:
    place = "inline" if upload.media_type.startswith(_SHOWN) else "attachment"
    headers = {**_SAFE, "Content-Disposition": f"{place}; filename*=UTF-8''{quote(upload.name)}"}
    return Response(data, media_type=upload.media_type, headers=headers)


@router.delete(_BASE + "/attachments/{attachment_id}")
async def detach(request: Request, access_key: str, attachment_id: str) -> Response:
    """Removes a file that no question names yet."""
    await services_of(request).chat_uploads.remove(access_key, attachment_id)
    return said(request, "The attachment was removed.")
