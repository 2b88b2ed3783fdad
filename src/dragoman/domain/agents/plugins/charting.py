"""From data as text and a wish in words to a chart: reading tables, choosing columns, checking the choice."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from dragoman.domain.tools.charts import CHART_KINDS, Chart, ChartKind, Series
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_MOST_ROWS, _MOST_COLUMNS, _MOST_SERIES = 5000, 100, 12
_MOST_PLACES = {"bar": 60, "pie": 24}
_LONGEST_LABEL = 80
_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[^\d.,eE+\-]")
_KIND_WORDS: tuple[tuple[ChartKind, str], ...] = (
    ("pie", r"\bpie|\bshares?\b|\bproportions?\b|\bdonut|\bdoughnut"),
    ("scatter", r"\bscatter|\bcorrelat"),
    ("histogram", r"\bhistogram|\bdistribution"),
    ("area", r"\barea"),
    ("line", r"\blines?\b|\btrend|\bover time|\btime series|\bper (month|year|day|week|quarter)"),
    ("bar", r"\bbars?\b|\bcolumn chart|\bcompar"),
)
CHOICE_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": list(CHART_KINDS)},
        "x": {"type": ["string", "null"]},
        "y": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "title": {"type": "string"},
        "aggregate": {"type": "string", "enum": ["none", "sum", "mean", "count"]},
        "horizontal": {"type": "boolean"},
        "stacked": {"type": "boolean"},
    },
    "required": ["kind", "y", "title"],
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def numeric(self) -> list[str]:
        """The columns that hold numbers, and nothing but numbers, where they hold anything."""
        return [name for name in self.columns if _all_numbers(self.column(name))]


def _all_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(number(cell) is not None for cell in filled)


def number(cell: str) -> float | None:
    """The number in a cell, with or without thousands marks, currency and percent; None when it holds none."""
    text = cell.strip()
    if not text or len(text) > 40 or re.search(r"[A-DF-Za-df-z]{4,}|\d[-/]\d", text):
        return None
    bare = _NUMBER.sub("", text)
    if bare.count(",") == 1 and "." not in bare and not re.search(r",\d{3}$", bare):
        bare = bare.replace(",", ".")
    try:
        value = float(bare.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_table(text: str) -> Table:
    """The table in a text: CSV with names first, or JSON (rows, or numbers by name).

    Raises:
        InvalidInput: neither, no rows, or too many; ``param`` is ``data``.
    """
    stripped = text.strip().removeprefix("\ufeff")
    table = _from_json(stripped) if stripped[:1] in ("[", "{") else _from_csv(stripped)
    if not table.rows or not table.columns:
        raise InvalidInput(
            "'data' holds no rows: give CSV with a line of names first, or JSON.", param="data"
        )
    if len(table.rows) > _MOST_ROWS or len(table.columns) > _MOST_COLUMNS:
        raise InvalidInput(
            f"'data' is more than {_MOST_ROWS} rows or {_MOST_COLUMNS} columns; sum it up first.",
            param="data",
        )
    return table


def _from_csv(text: str) -> Table:
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise InvalidInput(f"'data' is not CSV: {error}.", param="data") from error
    if not lines:
        return Table((), ())
    if _all_numbers(lines[0]):
        lines.insert(0, [f"column {place}" for place in range(1, len(lines[0]) + 1)])
    return _table(lines[0], lines[1:])


def _from_json(text: str) -> Table:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"'data' is not valid JSON: {error}.", param="data") from error
    if isinstance(value, dict):
        return _from_object(cast("dict[str, object]", value))
    items = cast("list[object]", value)
    if items and all(isinstance(item, dict) for item in items):
        rows = cast("list[dict[str, object]]", items)
        names = list(dict.fromkeys(name for row in rows for name in row))
        return _table(names, [[_cell(row.get(name)) for name in names] for row in rows])
    if items and all(isinstance(item, list) for item in items):
        cells = [[_cell(cell) for cell in cast("list[object]", item)] for item in items]
        return _table(cells[0], cells[1:])
    return _table(["value"], [[_cell(item)] for item in items])


def _from_object(value: Mapping[str, object]) -> Table:
    if len(value) == 1 and isinstance(inner := next(iter(value.values())), list | dict) and inner:
        return _from_json(orjson.dumps(inner).decode())
    if value and all(isinstance(cells, list) for cells in value.values()):
        columns = cast("Mapping[str, list[object]]", value)
        longest = max(len(cells) for cells in columns.values())
        rows = [
            [_cell(cells[place]) if place < len(cells) else "" for cells in columns.values()]
            for place in range(longest)
        ]
        return _table(list(columns), rows)
    return _table(["name", "value"], [[name, _cell(cell)] for name, cell in value.items()])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns: list[str] = []
    for place, name in enumerate(names, 1):
        bare = " ".join(name.split())[:_LONGEST_LABEL] or f"column {place}"
        columns.append(bare if bare not in columns else f"{bare} {place}")
    width = len(columns)
    fitted = tuple((*row[:width], *[""] * (width - len(row))) for row in rows)
    return Table(tuple(columns), fitted)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns to draw, and how; ``aggregate`` puts rows of one label together."""

    kind: ChartKind
    x: str | None
    y: tuple[str, ...]
    title: str
    aggregate: str = "none"
    horizontal: bool = False
    stacked: bool = False


def guessed(table: Table, wish: str) -> Choice:
    """A choice by the words of the wish and the kinds of the columns.

    Raises:
        InvalidInput: no column holds numbers.
    """
    numeric = table.numeric()
    if not numeric:
        raise InvalidInput("No column of 'data' holds numbers, so there is nothing to draw.", param="data")
    asked = wish.casefold()
    kind = _kind_named(asked)
    named = [name for name in numeric if name.casefold() in asked]
    others = [name for name in table.columns if name not in numeric]
    x = next((name for name in others if name.casefold() in asked), others[0] if others else None)
    if kind == "scatter" and len(numeric) > 1:
        pair = named if len(named) > 1 else numeric
        x, y = pair[0], pair[1:2]
    elif x is None and len(numeric) > 1 and kind != "histogram":
        x, y = numeric[0], [name for name in named or numeric if name != numeric[0]]
    else:
        y = named or numeric
    kept = tuple(y or numeric)[: 1 if kind in ("pie", "histogram") else _MOST_SERIES]
    return Choice(kind, None if kind == "histogram" else x, kept, wish.strip()[:120], _usual(table, x, kind))


def _kind_named(wish: str) -> ChartKind:
    for kind, words in _KIND_WORDS:
        if re.search(words, wish):
            return kind
    return "bar"


def _usual(table: Table, x: str | None, kind: ChartKind) -> str:
    if x is None or kind == "scatter":
        return "none"
    labels = table.column(x)
    return "sum" if len(set(labels)) < len(labels) else "none"


def chosen(table: Table, answer: Mapping[str, JsonValue], wish: str) -> Choice:
    """A model's choice, mended where it names what is not there.

    Raises:
        InvalidInput: no column holds numbers.
    """
    usual = guessed(table, wish)
    by_folded = {name.casefold(): name for name in table.columns}
    numeric = set(table.numeric())
    listed = answer.get("y")
    wanted = [str(name) for name in listed] if isinstance(listed, list) else []
    counting = answer.get("aggregate") == "count"
    y = [by_folded[name.casefold()] for name in wanted if name.casefold() in by_folded]
    y = [name for name in dict.fromkeys(y) if counting or name in numeric]
    x = by_folded.get(str(answer.get("x") or "").casefold(), usual.x)
    kind = usual.kind
    for known in CHART_KINDS:
        if known == answer.get("kind"):
            kind = known
    if not y:
        return usual
    aggregate = str(answer.get("aggregate") or "none")
    return Choice(
        kind,
        None if kind == "histogram" else x,
        tuple(y)[: 1 if kind in ("pie", "histogram") else _MOST_SERIES],
        str(answer.get("title") or usual.title)[:120],
        aggregate if aggregate != "none" else _usual(table, x, kind),
        answer.get("horizontal") is True,
        answer.get("stacked") is True,
    )


def drawn(table: Table, choice: Choice) -> Chart:
    """The chart that shows the chosen columns.

    Raises:
        InvalidInput: what was chosen cannot be drawn.
    """
    columns = {name: [number(cell) for cell in table.column(name)] for name in choice.y}
    notes: list[str] = []
    labels = [] if choice.x is None else [cell.strip()[:_LONGEST_LABEL] for cell in table.column(choice.x)]
    positions: tuple[float, ...] | None = None
    if choice.kind == "scatter" and choice.x in table.numeric():
        given = [number(cell) for cell in table.column(choice.x)]
        keep = [place for place, value in enumerate(given) if value is not None]
        positions = tuple(value for value in given if value is not None)
        columns = {name: [values[place] for place in keep] for name, values in columns.items()}
        labels = []
    elif choice.aggregate != "none" and labels and choice.kind != "scatter":
        labels, columns = _grouped(labels, columns, choice.aggregate)
        notes.append(f"{choice.aggregate} for each {choice.x}")
    most = _MOST_PLACES.get(choice.kind)
    if most is not None and len(next(iter(columns.values()))) > most:
        notes.append(f"the first {most} only")
        labels, columns = labels[:most], {name: values[:most] for name, values in columns.items()}
    if choice.kind == "pie" and any((value or 0) < 0 for values in columns.values() for value in values):
        raise InvalidInput("A pie chart cannot show negative numbers.", param="description")
    series = tuple(Series(name, tuple(values)) for name, values in columns.items())
    y_label = series[0].name if len(series) == 1 else ""
    return Chart(
        choice.kind, choice.title, series, tuple(labels), positions, choice.x or "", y_label,
        choice.horizontal, choice.stacked, tuple(notes),
    )  # fmt: skip


def _grouped(
    labels: Sequence[str], columns: Mapping[str, Sequence[float | None]], aggregate: str
) -> tuple[list[str], dict[str, list[float | None]]]:
    places = list(dict.fromkeys(labels))
    grouped: dict[str, list[float | None]] = {}
    for name, values in columns.items():
        by_label: dict[str, list[float]] = {label: [] for label in places}
        counts: dict[str, int] = dict.fromkeys(places, 0)
        for label, value in zip(labels, values, strict=True):
            counts[label] += 1
            if value is not None:
                by_label[label].append(value)
        grouped[name] = [
            float(counts[label]) if aggregate == "count" else _together(by_label[label], aggregate)
            for label in places
        ]
    return places, grouped


def _together(values: Sequence[float], aggregate: str) -> float | None:
    if not values:
        return None
    return math.fsum(values) / (len(values) if aggregate == "mean" else 1)
