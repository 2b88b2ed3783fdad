"""ZIP archives: every file inside is read like one of its own."""

from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Encrypted, Format, Reading, Source, register
from dragoman.domain.knowledge.document import Page, ParsedDocument
from dragoman.kit.errors import InvalidInput

_SYSTEM = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def _read(source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    pages: list[Page] = []
    locked = 0
    names = [name for name in archive.names() if not any(part in name for part in _SYSTEM)]
    for name in names:
        try:
            content = archive.read(name)
        except Encrypted:
            locked += 1
            reading.warn(f"{name} was left out: it is protected with a password.")
            continue
        pages += reading.inner(Source(content, name))
    if names and locked == len(names):
        raise Encrypted("The archive is protected with a password.")
    if names and not pages:
        raise InvalidInput("No file in the archive could be read: " + " ".join(reading.warnings[:3]))
    return ParsedDocument(tuple(pages), "application/zip", None, {}, tuple(reading.warnings))


register(Format("ZIP archive", ("application/zip", "application/x-zip-compressed"), (".zip",), _read))
