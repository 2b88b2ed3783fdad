"""PDF by PDFium: text by page, headings and paragraphs told by size and distance, pictures by OCR."""

from collections.abc import Sequence
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from dragoman.adapters.parsers.engines.layout import Line, Table, blocks_of, body_size
from dragoman.adapters.parsers.reading import Encrypted, Reading, engine
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.kit.errors import InvalidInput, Unsupported

_TYPE = "application/pdf"
# Fewer rules than this make no table; more than that is a drawing.
_FEW_RULES, _MANY_RULES = 6, 3000
_TABLE_PAGES = 100
_SCANNED_PAGE_CHARACTERS = 12


@dataclass(slots=True)
class _PageText:
    lines: list[Line]
    ruled: bool
    pictured: bool
    height: float


def read_pdf(data: bytes, reading: Reading) -> ParsedDocument:
    """The text of a PDF by page.

    Raises:
        Encrypted: it opens only with a password.
        InvalidInput: damaged or truncated.
    """
    document = _open(data)
    try:
        count = len(document)
        if count == 0:
            raise InvalidInput("The PDF is damaged: it has no pages.")
        texts: list[_PageText] = []
        for index in range(count):
            reading.budget.add_page()
            texts.append(_page_text(document, index))
            reading.budget.add_text(sum(len(line.text) for line in texts[-1].lines))
        body = body_size([line for text in texts for line in text.lines])
        tables = _tables(data, texts, reading)
        pages = [
            _page(document, index, text, tables.get(index, []), body, reading)
            for index, text in enumerate(texts)
        ]
        title = document.get_metadata_value("Title").strip() or None
    finally:
        document.close()
    return ParsedDocument(tuple(pages), _TYPE, title, {}, tuple(reading.warnings))


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise Encrypted("The PDF is protected with a password.") from error
        raise InvalidInput("The PDF is damaged or truncated.") from error


def _page_text(document: pypdfium2.PdfDocument, index: int) -> _PageText:
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return _PageText([], ruled=False, pictured=False, height=0)
    try:
        lines = _lines(page)
        rules = pictures = 0
        for position in range(min(pdfium.FPDFPage_CountObjects(page), _MANY_RULES + 1)):
            kind = pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(page, position))
            rules += kind == pdfium.FPDF_PAGEOBJ_PATH
            pictures += kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM)
        return _PageText(lines, _FEW_RULES <= rules <= _MANY_RULES, pictures > 0, page.get_height())
    finally:
        page.close()


def _lines(page: pypdfium2.PdfPage) -> list[Line]:
    textpage = page.get_textpage()
    try:
        text = textpage.get_text_range() if textpage.count_chars() else ""
        lines: list[Line] = []
        at = 0
        for raw in text.split("\n"):
            if shown := raw.strip():
                first = at + len(raw) - len(raw.lstrip())
                lines.append(_line(textpage, first, shown))
            # PDFium counts UTF-16 units.
            at += len(raw) + 1 + sum(character > "\uffff" for character in raw)
        return lines
    finally:
        textpage.close()


def _line(textpage: pypdfium2.PdfTextPage, index: int, text: str) -> Line:
    size = float(pdfium.FPDFText_GetFontSize(textpage, index))
    if index >= textpage.count_chars():
        return Line(text, size, 0, 0)
    left, bottom, _, top = textpage.get_charbox(index, loose=True)
    # Some files set the type to size 1 and scale the page; the box tells what is seen.
    return Line(text, max(size if size > 2 else 0.0, (top - bottom) * 0.85), top, left)


def _tables(data: bytes, texts: Sequence[_PageText], reading: Reading) -> dict[int, list[Table]]:
    ruled = [index for index, text in enumerate(texts) if text.ruled and text.lines]
    if not ruled:
        return {}
    if len(ruled) > _TABLE_PAGES:
        reading.warn(f"Tables were looked for on the first {_TABLE_PAGES} pages with ruled lines only.")
    return engine("plumber").ruled_tables(data, ruled[:_TABLE_PAGES], reading)


def _page(
    document: pypdfium2.PdfDocument,
    index: int,
    text: _PageText,
    tables: Sequence[Table],
    body: float,
    reading: Reading,
) -> Page:
    characters = sum(len(line.text) for line in text.lines)
    if characters < _SCANNED_PAGE_CHARACTERS and text.pictured:
        scanned = _scanned(document, index, reading)
        if scanned:
            return Page(index + 1, tuple(scanned))
    return Page(index + 1, tuple(blocks_of(text.lines, tables, body)))


def _scanned(document: pypdfium2.PdfDocument, index: int, reading: Reading) -> list[Block]:
    limits = reading.budget.limits
    if not reading.budget.take_ocr_page():
        reading.warn(f"Pages that are pictures were read up to the first {limits.ocr_pages} only.")
        return []
    try:
        ocr = engine("ocr")
    except Unsupported as error:
        reading.warn(f"Pages that are pictures were left out. {error.detail}")
        return []
    page = document[index]
    try:
        scale = limits.ocr_dpi / 72
        longest = max(page.get_width(), page.get_height(), 1.0)
        bitmap = page.render(scale=min(scale, 5000 / longest), grayscale=True)
        return ocr.picture_blocks(bitmap.to_pil().convert("RGB"))
    finally:
        page.close()
