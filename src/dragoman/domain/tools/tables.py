"""Questions to tables in SQL: what an engine is asked and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dragoman.kit.jsontypes import JsonValue

# The name under which the one table of a file is asked.
TABLE = "data"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``kind`` is the engine's name of its type."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a file's table looks like, with its first rows."""

    columns: tuple[Column, ...]
    row_count: int
    sample: tuple[tuple[JsonValue, ...], ...]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of a result. ``truncated``: there were more."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[JsonValue, ...], ...]
    truncated: bool = False


class TableEngine(Protocol):
    """Answers SQL about one file at a time. It sees nothing but that file, and changes nothing."""

    async def shape(self, path: Path, *, name: str) -> TableShape:
        """The columns of the file's table, its number of rows, and its first ones.

        Raises:
            InvalidInput: it is no table (CSV, TSV, JSON), or above a bound.
            Unavailable: the engine is not installed; the message says what to install.
        """
        ...

    async def query(self, path: Path, sql: str, *, name: str, limit: int) -> TableRows:
        """What one SELECT gives, at most so many rows; the table's name is ``data``.

        Raises:
            InvalidInput: no single SELECT, or the engine refuses it (``sql_failed``); the message says why.
            DeadlineExceeded: it takes too long.
            Unavailable: the engine is not installed; the message says what to install.
        """
        ...


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[JsonValue]]) -> str:
    """The rows as a Markdown table."""
    lines = [_line(columns), "|" + "---|" * len(columns)]
    lines += [_line(["" if value is None else _shown(value) for value in row]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    flat = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(flat)} |"


def _shown(value: JsonValue) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
