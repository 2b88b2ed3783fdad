"""SQL over one file by DuckDB, in a child process that sees nothing else.

The file is read into memory first; then the engine's doors are shut: no files, no network, no extensions, no settings. Only
after that does it get to see a statement.
"""

import datetime
import decimal
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from dragoman.domain.tools.tables import TABLE, Column, TableRows, TableShape
from dragoman.kit.errors import InvalidInput, Unsupported
from dragoman.kit.jsontypes import JsonValue

_MEMORY = "384MB"
_MOST_ROWS, _MOST_COLUMNS = 5_000_000, 1000
_SAMPLE = 5
_LONGEST_CELL = 10_000
_LONGEST_SQL = 20_000
_MOST_BYTES = 16 * 1024 * 1024
_SHUT = (
    "SET enable_external_access = false",
    "SET allow_community_extensions = false",
    "SET lock_configuration = true",
)
# The name of the table is a constant of ours; the file is a parameter.
_MAKE = f"CREATE TABLE {TABLE} AS SELECT * FROM "  # noqa: S608
_CSV = _MAKE + "read_csv(?, sample_size = 20000, max_line_size = 4000000)"
_CSV_AS_TEXT = _MAKE + "read_csv(?, all_varchar = true, max_line_size = 4000000)"
_JSON = _MAKE + "read_json(?, maximum_object_size = 16000000)"
_PLACE = re.compile(r"\n\s*LINE \d+:.*", re.DOTALL)


def shape_of(path: Path, name: str) -> TableShape:
    """The shape of the file's table; blocks."""
    with _opened(path, name) as connection:
        columns = _columns(connection.execute(f"DESCRIBE {TABLE}").fetchall())
        count = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0]  # noqa: S608 - a constant
        sample = connection.execute(f"SELECT * FROM {TABLE} LIMIT {_SAMPLE}").fetchall()  # noqa: S608 - constants
        return TableShape(columns, int(count), tuple(_row(row) for row in sample))


def query_of(path: Path, name: str, sql: str, limit: int) -> TableRows:
    """What one SELECT gives; blocks."""
    if len(sql) > _LONGEST_SQL:
        raise InvalidInput(f"The SQL is longer than {_LONGEST_SQL} characters.", code="sql_failed")
    with _opened(path, name) as connection:
        try:
            statements = connection.extract_statements(sql)
            kinds = [str(statement.type.name) for statement in statements]
            if kinds != ["SELECT"]:
                raise InvalidInput("One SELECT statement is wanted, and nothing else.", code="sql_failed")
            cursor = connection.execute(statements[0])
            columns = _columns([(entry[0], str(entry[1])) for entry in cursor.description or ()])
            return _fetched(columns, _rows(cursor), limit)
        except duckdb.Error as error:
            raise InvalidInput(_said(error), code="sql_failed") from error


def _opened(path: Path, name: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": "1",
            "memory_limit": _MEMORY,
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    try:
        _load(connection, path, name)
        for statement in _SHUT:
            connection.execute(statement)
        _check_size(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _load(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    suffix = Path(name).suffix.lower()
    if suffix not in (".csv", ".tsv", ".txt", ".tab", ".json", ".jsonl", ".ndjson", ""):
        raise Unsupported(
            f"{name!r} is no table that can be asked: CSV, TSV and JSON are.",
            param="file",
            code="not_a_table",
        )
    if _head(path).startswith((b"PK\x03\x04", b"%PDF", b"\x7fELF", b"\x89PNG")) or b"\0" in _head(path):
        raise Unsupported(
            f"{name!r} is no text: CSV, TSV and JSON can be asked.", param="file", code="not_a_table"
        )
    statements = [_JSON] if suffix in (".json", ".jsonl", ".ndjson") else [_CSV, _CSV_AS_TEXT]
    for place, statement in enumerate(statements, 1):
        try:
            connection.execute(statement, [str(path)])
        except duckdb.OutOfMemoryException as error:
            raise InvalidInput(
                f"{name!r} is too large to be asked here.", param="file", code="table_too_large"
            ) from error
        except duckdb.Error as error:
            if place == len(statements):
                said = _said(error).replace(str(path), name)
                raise InvalidInput(
                    f"{name!r} is no table: {said}", param="file", code="not_a_table"
                ) from error
        else:
            return


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _check_size(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0]  # noqa: S608 - a constant
    columns = len(connection.execute(f"DESCRIBE {TABLE}").fetchall())
    if not rows:
        raise InvalidInput("The table has no rows.", param="file", code="not_a_table")
    if rows > _MOST_ROWS or columns > _MOST_COLUMNS:
        raise InvalidInput(
            f"The table is above {_MOST_ROWS} rows or {_MOST_COLUMNS} columns.",
            param="file",
            code="table_too_large",
        )


def _said(error: Exception) -> str:
    first = _PLACE.sub("", str(error)).strip().partition("\n\n")[0]
    return " ".join(first.split())[:500]


def _columns(found: list[Any]) -> tuple[Column, ...]:
    return tuple(Column(str(entry[0]), str(entry[1])) for entry in found)


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(100):
        yield from batch


def _fetched(columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]], limit: int) -> TableRows:
    kept: list[tuple[JsonValue, ...]] = []
    size = 0
    for row in rows:
        if len(kept) == limit or size > _MOST_BYTES:
            return TableRows(columns, tuple(kept), truncated=True)
        fitted = _row(row)
        size += sum(len(cell) if isinstance(cell, str) else 8 for cell in fitted)
        kept.append(fitted)
    return TableRows(columns, tuple(kept))


def _row(row: tuple[Any, ...]) -> tuple[JsonValue, ...]:
    return tuple(_plain(cell) for cell in row)


def _plain(cell: object) -> JsonValue:
    """A cell as JSON can hold it."""
    if cell is None or isinstance(cell, bool | str):
        return cell[:_LONGEST_CELL] if isinstance(cell, str) else cell
    if isinstance(cell, int):
        return cell if abs(cell) < 2**53 else str(cell)
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else str(cell)
    if isinstance(cell, decimal.Decimal):
        return float(cell) if cell.is_finite() else str(cell)
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, dict):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell[:1000]]
    return str(cell)[:_LONGEST_CELL]
