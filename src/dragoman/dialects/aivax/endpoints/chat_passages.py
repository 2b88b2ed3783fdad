"""The passages that answers in a session cite. The access key in the path is the credential; the form is this server's own."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import services_of
from dragoman.dialects.aivax.envelope import answer
from dragoman.kit.errors import NotFound

router = APIRouter()

_PATH = "/public/chat-clients/{access_key}/messages/{message_id}/citations/{number}"
_MOST_DIGITS = 6
_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


def _number(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise NotFound("No answer of this session cites such a passage.", code="passage_not_cited")
    return int(given)


@router.get(_PATH)
async def cited_passage(request: Request, access_key: str, message_id: str, number: str) -> Response:
    """The passage behind a mark ``[number]`` in an answer, with what stands around it in its document.

    ``page_image`` is where the page is found as a picture, null when there is none. What no answer of this session cites is
    not found.
    """
    found = await services_of(request).chat_cited.passage(access_key, message_id, _number(number))
    base = request.url.path.removesuffix("/")
    return answer(
        request,
        {
            "number": found.number,
            "document_id": found.document_id,
            "document_name": found.document_name,
            "page": found.page,
            "page_count": found.page_count,
            "headings": list(found.headings),
            "before": found.before,
            "text": found.text,
            "after": found.after,
            "page_image": f"{quote(base)}/page.png" if found.drawn else None,
        },
    )


@router.get(_PATH + "/page.png")
async def cited_page(request: Request, access_key: str, message_id: str, number: str) -> Response:
    """The page of a document on which such a passage stands, as PNG with the passage marked."""
    picture = await services_of(request).chat_cited.picture(access_key, message_id, _number(number))
    return Response(picture, media_type="image/png", headers=_HEADERS)
