"""PDF."""

from dragoman.adapters.parsers.reading import Format, Reading, Source, engine, register
from dragoman.domain.knowledge.document import ParsedDocument

_TYPE = "application/pdf"


def _read(source: Source, reading: Reading) -> ParsedDocument:
    return engine("pdfium").read_pdf(source.data, reading)


register(Format("PDF", (_TYPE, "application/x-pdf"), (".pdf",), _read))
