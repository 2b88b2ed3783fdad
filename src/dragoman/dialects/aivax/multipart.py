"""Receiving one file of a multipart form, written to disk as it comes."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from dragoman.dialects.aivax.auth import services_of
from dragoman.dialects.aivax.body import bounded, media_type
from dragoman.kit.errors import InvalidInput, Unsupported

# What may stand around the one file of a form.
_FORM_BYTES = 64 * 1024


@dataclass(slots=True)
class Described:
    """What somebody says of a file: its name and media type."""

    name: str
    media_type: str


class _Parts:
    """Collects the bytes of the part with the wanted name, or of the first file; other parts are passed over."""

    def __init__(self, wanted: str | None, described: Described | None = None) -> None:
        self._described = described
        self.pieces: list[bytes] = []
        self.found = False
        self.ended = False
        self.repeated = False
        self._wanted = wanted
        self._open = False
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def on_part_begin(self) -> None:
        self._headers = {}

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        meant = b"filename" in options if self._wanted is None else name == self._wanted
        self.repeated = self.repeated or (meant and self.found)
        self._open = meant and not self.found
        if self._open and self._described is not None:
            self._described.name = options.get(b"filename", b"").decode("utf-8", "replace")
            kind, _ = parse_options_header(self._headers.get(b"content-type", b""))
            self._described.media_type = kind.decode("latin-1").lower()
        self.found = self.found or self._open

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._open:
            self.pieces.append(data[start:end])

    def on_part_end(self) -> None:
        self._open = False

    def on_end(self) -> None:
        self.ended = True

    def taken(self) -> bytes:
        """The bytes since the last call."""
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data


def _parser(request: Request, parts: _Parts) -> MultipartParser:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if media_type(request) != "multipart/form-data" or not boundary:
        raise Unsupported("Send the file as multipart/form-data.")
    names = (
        "on_part_begin",
        "on_header_field",
        "on_header_value",
        "on_header_end",
        "on_headers_finished",
        "on_part_data",
        "on_part_end",
        "on_end",
    )
    return MultipartParser(boundary, {name: getattr(parts, name) for name in names})  # pyright: ignore[reportArgumentType]


def _refuse_other_than_one(parts: _Parts, what: str, param: str | None) -> None:
    if not parts.found:
        raise InvalidInput(f"The form has no {what}.", param=param)
    if parts.repeated:
        raise InvalidInput(f"The form has more than one {what}; send one at a time.", param=param)


async def file_pieces(
    request: Request, *, maximum_bytes: int, described: Described | None = None
) -> AsyncIterator[bytes]:
    """The bytes of the form's first file as they come; ``described`` is told what the form says of it.

    Raises:
        Unsupported: the body is no multipart form.
        InvalidInput: the form is broken or has no file.
        TooLarge: above the bound.
    """
    parts = _Parts(None, described)
    parser = _parser(request, parts)
    try:
        async for piece in bounded(request, maximum_bytes + _FORM_BYTES):
            parser.write(piece)
            if parts.pieces:
                yield parts.taken()
    except MultipartParseError as error:
        raise InvalidInput(f"The multipart form is broken: {error}.") from error
    if not parts.ended:
        raise InvalidInput("The multipart form ends too early.")
    _refuse_other_than_one(parts, "file", None)


@asynccontextmanager
async def uploaded_file(request: Request, field: str, *, maximum_bytes: int) -> AsyncIterator[Path]:
    """The file of the named form field, gone again afterwards.

    Raises:
        Unsupported: the body is no multipart form.
        InvalidInput: the form is broken or has no such field.
        TooLarge: above the bound.
    """
    parts = _Parts(field)
    parser = _parser(request, parts)
    folder = services_of(request).uploads
    file = await to_thread.run_sync(lambda: tempfile.NamedTemporaryFile(dir=folder, prefix="import-"))  # noqa: SIM115
    try:
        async for piece in bounded(request, maximum_bytes):
            parser.write(piece)
            if parts.pieces:
                await to_thread.run_sync(file.write, parts.taken())
        if not parts.ended:
            raise InvalidInput("The multipart form ends too early.", param=field)
        _refuse_other_than_one(parts, f"file field {field!r}", field)
        await to_thread.run_sync(file.flush)
        yield Path(file.name)
    except MultipartParseError as error:
        raise InvalidInput(f"The multipart form is broken: {error}.", param=field) from error
    finally:
        await to_thread.run_sync(file.close)
