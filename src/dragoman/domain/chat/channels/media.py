"""What agents made for a person, as messages of a messaging service."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from mimetypes import guess_type
from urllib.parse import unquote_to_bytes

from dragoman.domain.chat.channels.ports import MediaType, Outgoing, OutgoingMedia
from dragoman.domain.chat.uploads.model import media_type_of
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Part, VideoPart

# The content of a file at an address of this server; None for addresses of others.
OwnFile = Callable[[str], Awaitable[bytes | None]]


def made_pieces(parts: Sequence[Part]) -> list[Outgoing]:
    """What was made beside the text of an answer, each as a piece."""
    return [piece for part in parts if (piece := _piece(part)) is not None]


async def at_hand(media: OutgoingMedia, own: OwnFile) -> OutgoingMedia:
    """The media with their content, where they carry it or are kept here."""
    declared = ""
    if media.reference.startswith("data:"):
        declared, data = _decoded(media.reference)
    else:
        data = await own(media.reference)
    if data is None:
        return media
    found = media_type_of(media.filename, declared, data)
    if found == "application/octet-stream":
        found = declared or guess_type(media.filename)[0] or found
    return replace(media, data=data, mime=found)


def _piece(part: Part) -> Outgoing | None:
    match part:
        case ImagePart(url):
            return _media("image", url, "picture.png")
        case VideoPart(url):
            return _media("video", url, "video.mp4")
        case FilePart(data, filename):
            return _media("document", data, filename or "file")
        case AudioPart(data, form):
            return Outgoing("", b64decode(data), f"audio/{form}")
        case _:
            return None


def _media(kind: MediaType, reference: str, filename: str) -> Outgoing:
    return Outgoing("", media=OutgoingMedia(kind, reference, filename))


def _decoded(url: str) -> tuple[str, bytes | None]:
    """Media type and content of a ``data:`` URL; no content when it is broken."""
    head, _, body = url.removeprefix("data:").partition(",")
    if not head.endswith(";base64"):
        return head.partition(";")[0], unquote_to_bytes(body)
    try:
        return head.partition(";")[0], b64decode(body, validate=True)
    except Base64Error:
        return "", None
