"""Rows of cells to text that can be understood a row at a time."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from dragoman.domain.knowledge.document import Block

_ROWS_A_BLOCK = 200
_NUMBER = re.compile(r"[-+(]?[\d.,\s%€$£]*\d[\d.,\s%€$£)]*")
_HEADER_CHARACTERS = 120
_DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_CHARACTERS = 65_536
_SNIFFED_ROWS = 50
_FIELD_CHARACTERS = 16_000_000


def pipe_table(rows: Iterable[Sequence[str]]) -> Block | None:
    """A table in columns, names of the columns first; None when nothing is in it."""
    lines = [f"| {' | '.join(cells)} |" for row in rows if any(cells := [_cell(value) for value in row])]
    return Block("table", "\n".join(lines)) if lines else None


def named_rows(rows: Sequence[Sequence[str]]) -> list[Block]:
    """Blocks of rows; when the first row names the columns, every line reads ``Name: Ann; Age: 33``."""
    kept = [cells for row in rows if any(cells := [_cell(value) for value in row])]
    header = kept[0] if len(kept) > 1 and is_header(kept[0]) else None
    lines = [_named(header, cells) for cells in kept[1:]] if header else [_joined(cells) for cells in kept]
    return [
        Block("table", "\n".join(lines[at : at + _ROWS_A_BLOCK]))
        for at in range(0, len(lines), _ROWS_A_BLOCK)
    ]


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first row looks like names of columns: short, all different, no numbers, hardly a gap."""
    filled = [cell for cell in cells if cell]
    return (
        len(filled) >= max(1, len(cells) * 2 // 3)
        and len(set(filled)) == len(filled)
        and all(len(cell) <= _HEADER_CHARACTERS and not _NUMBER.fullmatch(cell) for cell in filled)
    )


def _named(header: Sequence[str], cells: Sequence[str]) -> str:
    names = [*header, *("" for _ in cells[len(header) :])]
    pairs = zip(names, cells, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def _joined(cells: Sequence[str]) -> str:
    return "; ".join(cell for cell in cells if cell)


def _cell(value: str) -> str:
    return " ".join(value.split())


def delimiter_of(text: str) -> str | None:
    """The character that splits the first rows into equally many fields, two or more, or None."""
    sample = text[:_SNIFFED_CHARACTERS]
    complete = sample if len(sample) == len(text) else sample[: sample.rfind("\n") + 1]
    best: tuple[float, int, str] | None = None
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in rows_of(complete, delimiter, _SNIFFED_ROWS) if row)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = (count / widths.total(), width, delimiter)
        if width > 1 and (best is None or score > best):
            best = score
    return best[2] if best is not None and best[0] >= 0.6 else None


def rows_of(text: str, delimiter: str, limit: int | None = None) -> list[list[str]]:
    """The rows of a CSV text.

    Raises:
        csv.Error: a field is longer than any should be.
    """
    csv.field_size_limit(_FIELD_CHARACTERS)
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        rows.append(row)
        if limit is not None and len(rows) >= limit:
            break
    return rows
