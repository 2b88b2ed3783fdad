"""CSV and TSV: every row names its values, so that it is understood alone."""

import csv

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.adapters.parsers.tabular import delimiter_of, named_rows, rows_of
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.kit.errors import InvalidInput


def _read(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading).replace("\x00", "")
    reading.budget.add_text(len(text))
    try:
        delimiter = delimiter_of(text) or ("\t" if source.name.lower().endswith(".tsv") else ",")
        rows = rows_of(text, delimiter)
    except csv.Error as error:
        raise InvalidInput(f"The table cannot be read as CSV ({error}).") from error
    blocks = named_rows(rows)
    reading.budget.add_text(sum(len(block.text) for block in blocks))
    return single(blocks, "text/csv", reading)


register(
    Format(
        "CSV",
        ("text/csv", "text/tab-separated-values", "application/csv"),
        (".csv", ".tsv", ".tab"),
        _read,
        True,
    )
)
