"""Rows as lines of JSON, whatever database they come from. Pure but for the files."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import sqlalchemy as sa

from dragoman.kit.errors import InvalidInput

Row = dict[str, Any]


class RowWriter:
    """Writes the rows of one table to a file, and counts them."""

    def __init__(self, file: IO[str], table: sa.Table, number: str | None) -> None:
        self._file = file
        self._bytes = binary_columns(table)
        self._number = number
        self.told: dict[str, int] = {"rows": 0}

    def write(self, row: Mapping[str, Any]) -> None:
        """Adds a row."""
        shown = dict(row)
        for name in self._bytes:
            if shown[name] is not None:
                shown[name] = base64.b64encode(shown[name]).decode()
        self._file.write(json.dumps(shown, separators=(",", ":")) + "\n")
        self.told["rows"] += 1
        if self._number is not None:
            self.told.setdefault("first", shown[self._number])
            self.told["last"] = shown[self._number]


def read_rows(path: Path, table: sa.Table) -> Iterator[Row]:
    """The rows of a file for the columns that the table has now; those it had not then have their defaults.

    Raises:
        InvalidInput: there is a column that the table does not have, or one without a value.
    """
    names, binary = {column.name for column in table.columns}, binary_columns(table)
    defaults = _defaults(table)
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = cast("Row", json.loads(line))
            if not row.keys() <= names:
                raise _unfit(table, sorted(row.keys() - names))
            for name in names - row.keys():
                if name not in defaults:
                    raise _unfit(table, [name])
                row[name] = defaults[name]
            for name in binary:
                if row[name] is not None:
                    row[name] = base64.b64decode(row[name])
            yield row


def binary_columns(table: sa.Table) -> list[str]:
    """The columns that hold bytes."""
    return [column.name for column in table.columns if isinstance(column.type, sa.LargeBinary)]


def _defaults(table: sa.Table) -> Row:
    found: Row = {}
    for column in table.columns:
        default = column.default
        if isinstance(default, sa.ColumnDefault) and not callable(default.arg):
            found[column.name] = default.arg
        elif column.nullable:
            found[column.name] = None
    return found


def _unfit(table: sa.Table, columns: list[str]) -> InvalidInput:
    return InvalidInput(
        f"The archive's {table.name} do not fit this version ({', '.join(columns)}): import it with the version that made"
        " it, upgrade that server, and export again.",
        code="export_unfit",
    )
