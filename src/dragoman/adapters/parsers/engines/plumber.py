"""Ruled tables of PDF pages, by pdfplumber."""

import io
from collections.abc import Sequence

import pdfplumber
import pdfplumber.page
import structlog

from dragoman.adapters.parsers.engines.layout import Table
from dragoman.adapters.parsers.reading import Reading
from dragoman.adapters.parsers.tabular import pipe_table

log = structlog.get_logger(__name__)


def ruled_tables(data: bytes, pages: Sequence[int], reading: Reading) -> dict[int, list[Table]]:
    """Tables by page index; a page that cannot be read keeps its plain text, with a warning."""
    found: dict[int, list[Table]] = {}
    try:
        with pdfplumber.open(io.BytesIO(data)) as document:
            for index in pages:
                found[index] = _tables_of(document.pages[index])
                document.pages[index].close()
    except Exception as error:  # noqa: BLE001 - pdfminer fails in many ways on what PDFium still reads
        log.info("parser.tables_skipped", error=repr(error)[:200])
        reading.warn("Tables could not be told from the text around them.")
    return found


def _tables_of(page: pdfplumber.page.Page) -> list[Table]:
    tables: list[Table] = []
    for table in page.find_tables():
        rows = [[cell or "" for cell in row] for row in table.extract()]
        filled = [row for row in rows if sum(bool(cell.strip()) for cell in row) > 1]
        block = pipe_table(rows) if len(filled) > 1 else None
        if block is not None:
            _, top, _, bottom = table.bbox
            tables.append(Table(block, float(page.height) - top, float(page.height) - bottom))
    return tables
