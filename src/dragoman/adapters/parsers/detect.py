"""What kind of file some bytes are: by the content first, then by name and declared type."""

import io
import re
import zipfile
from dataclasses import dataclass

from dragoman.adapters.parsers.decoding import looks_like_text
from dragoman.adapters.parsers.reading import FORMATS, Encrypted, Format, Source, engine
from dragoman.adapters.parsers.tabular import delimiter_of
from dragoman.kit.errors import InvalidInput, Unsupported

_HEAD = 4096
_OFFICE = "application/vnd.openxmlformats-officedocument"
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/png"),
    (b"II*\x00", "image/png"),
    (b"MM\x00*", "image/png"),
    (b"GIF8", "image/png"),
    (b"BM", "image/png"),
    (b"{\\rtf", "application/rtf"),
)
_ZIPPED = (
    ("word/document.xml", f"{_OFFICE}.wordprocessingml.document"),
    ("ppt/presentation.xml", f"{_OFFICE}.presentationml.presentation"),
    ("xl/workbook.xml", f"{_OFFICE}.spreadsheetml.sheet"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("Book", "application/vnd.ms-excel"),
)
_MAIL_HEADER = re.compile(
    rb"(?:From|To|Subject|Date|Received|Return-Path|MIME-Version|Message-ID|Delivered-To):", re.I
)
# What nearly any bytes that are text are taken for; other kinds of text have a form of their own, and programs do
# save web pages and tables under the names of their documents.
_ANY_TEXT = frozenset(("text/plain", "text/markdown", "text/x-source"))
_HTML = re.compile(
    rb"\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MARKDOWN = re.compile(r"^#{1,6} \S|^```|^[-*] \S.*\n[-*] \S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kind:
    """The format a file is read as, and a remark when it is not what its name says."""

    form: Format
    warning: str | None = None


def kind_of(source: Source) -> Kind:
    """The kind of a file.

    Raises:
        InvalidInput: empty, known to be unreadable, or named like what it cannot be.
        Unsupported: no format that is read here.
    """
    if not source.data.strip(b"\x00 \t\r\n"):
        raise InvalidInput("The file is empty.")
    named = _by_hint(source)
    found = _by_signature(source.data)
    if found is not None:
        return _compared(FORMATS.get(found), named, source)
    if not looks_like_text(source.data):
        raise Unsupported(f"The file is {_binary_kind(source.data)}, which cannot be read.")
    if named is not None and named.is_text:
        return Kind(named)
    told = _text_kind(source.data)
    if named is not None and told in _ANY_TEXT and source.name.lower().endswith(named.extensions):
        raise InvalidInput(
            f"{source.name} is no {named.title}: it holds nothing but text. Name it .txt if that is what it is."
        )
    return _compared(FORMATS.get(told), named, source)


def _by_hint(source: Source) -> Format | None:
    name = source.name.lower()
    for _, form in FORMATS:
        if name.endswith(form.extensions):
            return form
    declared = (source.media_type or "").partition(";")[0].strip().lower()
    for _, form in FORMATS:
        # Clients declare text/plain for anything they do not know.
        if declared in form.media_types and declared != "text/plain":
            return form
    return None


def _compared(found: Format | None, named: Format | None, source: Source) -> Kind:
    if found is None:
        raise Unsupported("Files of this kind cannot be read.")
    if named is None or named is found:
        return Kind(found)
    return Kind(
        found, f"{source.name} is named like {named.title} but holds {found.title}; it was read as that."
    )


def _by_signature(data: bytes) -> str | None:
    if b"%PDF-" in data[:1024]:
        return "application/pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data)
    if data.startswith(_OLE):
        return _ole_kind(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/png"
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature) and (signature != b"BM" or b"\x00" in data[:32]):
            return media_type
    return None


def _zip_kind(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            for member, media_type in _ZIPPED:
                if member in names and "[Content_Types].xml" in names:
                    return media_type
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                declared = archive.read("mimetype").decode("ascii", "replace").strip()
                return declared if FORMATS.get(declared) is not None else "application/zip"
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as error:
        raise InvalidInput(
            "The file is damaged or truncated: its table of contents cannot be read."
        ) from error
    return "application/zip"


def _ole_kind(data: bytes) -> str:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Encrypted("The document is protected with a password.")
    for stream, media_type in _OLE_STREAMS:
        if stream.encode("utf-16-le") + b"\x00\x00" in data:
            return media_type
    raise Unsupported("The file is of an old Office program that is not known here.")


def _text_kind(data: bytes) -> str:
    """The kind of text that nothing but itself tells about."""
    head = data[:_HEAD].lstrip(b"\xef\xbb\xbf")
    stripped = head.lstrip()
    if _HTML.match(head):
        return "text/html"
    if stripped.startswith(b"<?xml"):
        return "text/html" if b"<html" in head.lower() else "application/xml"
    if stripped[:1] in (b"{", b"[") and data.rstrip()[-1:] in (b"}", b"]"):
        return "application/json"
    lines = head.splitlines()
    if lines and _MAIL_HEADER.match(lines[0]) and sum(bool(_MAIL_HEADER.match(line)) for line in lines) >= 3:
        return "message/rfc822"
    sample = head.decode("utf-8", "ignore")
    if _MARKDOWN.search(sample):
        return "text/markdown"
    complete = sample if len(data) <= _HEAD else sample[: sample.rfind("\n") + 1]
    if complete.count("\n") >= 2 and _is_table(complete):
        return "text/csv"
    return _modelled_kind(data) or "text/plain"


def _is_table(text: str) -> bool:
    """Stricter than for files called CSV: no prose with commas."""
    delimiter = delimiter_of(text)
    if delimiter is None:
        return False
    counts = {line.count(delimiter) for line in text.splitlines() if line.strip()}
    return len(counts) == 1


def _modelled_kind(data: bytes) -> str | None:
    kind = _model(data)
    if kind is None:
        return None
    media_type, extension, _ = kind
    if FORMATS.get(media_type) is not None:
        return media_type
    form = next((form for _, form in FORMATS if extension in form.extensions and form.is_text), None)
    return form.media_types[0] if form is not None else None


def _binary_kind(data: bytes) -> str:
    kind = _model(data)
    known = kind is not None and kind[0] != "application/octet-stream"
    return f"of the kind {kind[2]}" if kind is not None and known else "of an unknown kind"


def _model(data: bytes) -> tuple[str, str, str] | None:
    try:
        return engine("magic").kind_of(data)
    except Unsupported:
        return None
