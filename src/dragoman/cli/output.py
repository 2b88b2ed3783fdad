"""Printing results: for the eye as columns, for programs as JSON."""

from collections.abc import Mapping, Sequence

import orjson


def print_json(value: object) -> None:
    """Prints a value as indented JSON."""
    print(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Prints the columns of the rows under their names; what is None is a dash."""
    lines = [[name.upper().replace("_", " ") for name in columns]]
    lines += [[_cell(row[name]) for name in columns] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
