"""Electronic books (EPUB): the chapters in their order."""

import posixpath
from urllib.parse import unquote

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.formats.markup import declared_charset, html_blocks
from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Encrypted, Format, Reading, Source, register
from dragoman.adapters.parsers.xmlstream import XmlEvents, elements
from dragoman.domain.knowledge.document import Page, ParsedDocument
from dragoman.kit.errors import InvalidInput

_TYPE = "application/epub+zip"
_CHAPTERS = ("application/xhtml+xml", "text/html")


class _Title(XmlEvents):
    """The book's title in its package file."""

    def __init__(self) -> None:
        self.found = ""
        self._open = False

    def start(self, name: str, attributes: object) -> None:
        self._open = name == "title" and not self.found

    def end(self, name: str) -> None:
        self._open = False

    def text(self, data: str) -> None:
        if self._open:
            self.found += data


def _read(source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    if "META-INF/rights.xml" in archive:
        raise Encrypted("The book is protected against reading by other programs.")
    container = elements(archive.read("META-INF/container.xml"))
    package = next(
        (attributes.get("full-path", "") for name, attributes in container if name == "rootfile"), ""
    )
    content = archive.read(package)
    items: dict[str, str] = {}
    order: list[str] = []
    for name, attributes in elements(content):
        if name == "item" and attributes.get("media-type") in _CHAPTERS:
            items[attributes.get("id", "")] = attributes.get("href", "")
        elif name == "itemref":
            order.append(attributes.get("idref", ""))
    pages: list[Page] = []
    for key in order:
        if key in items:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(items[key])))
            pages.append(_chapter(archive, path, reading))
    if not pages:
        raise InvalidInput("The book names no chapters.")
    title = _Title()
    title.feed(content)
    return ParsedDocument(tuple(pages), _TYPE, title.found.strip() or None, {}, tuple(reading.warnings))


def _chapter(archive: Packed, path: str, reading: Reading) -> Page:
    reading.budget.add_page()
    if path not in archive:
        reading.warn(f"The chapter {path} is missing.")
        return Page(None, ())
    data = archive.read(path)
    text = decode(data, reading, declared=declared_charset(data))
    reading.budget.add_text(len(text))
    return Page(None, tuple(html_blocks(text)[0]))


register(Format("electronic book", (_TYPE,), (".epub",), _read))
