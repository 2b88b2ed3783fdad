"""What somebody without scripts sends from the chat page: a text, and files where the chat takes them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

_TEXT_BYTES = 100_000
_MOST_FILES = 5


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file as the browser sent it."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What was written and attached."""

    text: str
    files: tuple[SentFile, ...] = ()


async def read_form(request: Request, *, most_bytes: int) -> Written:
    """What the form holds; all its files together have at most so many bytes.

    Raises:
        HTTPException: it is too large, or broken.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _with_files(request, most_bytes)
    body = b"".join([piece async for piece in _bounded(request, _TEXT_BYTES)])
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return Written(_clean(fields.get("text", [""])[0]))


async def _with_files(request: Request, most_bytes: int) -> Written:
    parser = MultiPartParser(
        request.headers,
        _bounded(request, most_bytes + _TEXT_BYTES),
        max_files=_MOST_FILES,
        max_fields=10,
        max_part_size=_TEXT_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400) from error
    try:
        files = [
            SentFile(one.filename, one.content_type or "", await one.read())
            for one in form.getlist("file")
            if isinstance(one, UploadFile) and one.filename
        ]
    finally:
        await form.close()
    text = form.get("text")
    return Written(_clean(text if isinstance(text, str) else ""), tuple(files))


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()


async def _bounded(request: Request, most_bytes: int) -> AsyncGenerator[bytes]:
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most_bytes:
            raise HTTPException(413)
        yield piece
