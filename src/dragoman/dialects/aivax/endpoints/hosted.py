"""Files and pages that agents made, at their public addresses."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from dragoman.dialects.aivax.auth import services_of
from dragoman.domain.tools.hosted.model import HostedKind

router = APIRouter()

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "private, max-age=3600",
}
# A page runs in an origin of its own: it has no cookies and no storage, and nothing of this server answers to it.
_PAGE = {
    "Content-Security-Policy": "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads"
}
# Browsers show a picture in a sandbox, but no PDF.
_PICTURE = {"Content-Security-Policy": "sandbox; default-src 'none'"}


async def _sent(request: Request, kind: HostedKind, token: str) -> Response:
    file, pieces = await services_of(request).hosted.open(kind, token)
    headers = {**_COMMON, "Content-Length": str(file.size)}
    if kind == "page":
        headers |= _PAGE
    else:
        headers["Content-Disposition"] = (
            f"inline; filename*=UTF-8''{quote(file.name, safe='', errors='replace')}"
        )
        headers |= _PICTURE if file.media_type.startswith("image/") else {}
    media_type = (
        f"{file.media_type}; charset=utf-8" if file.media_type.startswith("text/") else file.media_type
    )
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Type": media_type})
    return StreamingResponse(pieces, headers={**headers, "Content-Type": media_type})


@router.head("/public/ext-res/page/{token}", include_in_schema=False)
@router.get("/public/ext-res/page/{token}")
async def hosted_page(request: Request, token: str) -> Response:
    """A page that an agent made, to be shown; the address is the credential.

    Source: AIVAX documentation, "Web Page Generation".
    """
    return await _sent(request, "page", token)


@router.head("/public/ext-res/media/{token}", include_in_schema=False)
@router.head("/public/ext-res/media/{token}/{name}", include_in_schema=False)
@router.get("/public/ext-res/media/{token}/{name}", include_in_schema=False)
@router.get("/public/ext-res/media/{token}")
async def hosted_file(request: Request, token: str) -> Response:
    """A picture or document that an agent made; the address is the credential.

    Source: AIVAX documentation, "Image Generation" and "Document Generation".
    """
    return await _sent(request, "media", token)
