"""Workbooks (XLSX): a page a sheet, every row with the names of its columns."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from dragoman.adapters.parsers.office import relations
from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Budget, Format, Reading, Source, register
from dragoman.adapters.parsers.tabular import named_rows
from dragoman.adapters.parsers.xmlstream import XmlEvents, elements
from dragoman.domain.knowledge.document import Page, ParsedDocument

_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAIN = "xl/workbook.xml"
_COLUMNS = 16_384
_DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.')
_EPOCHS = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001 - sheets know no time zones


class _Strings(XmlEvents):
    """The shared strings; readings of Asian characters are left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._in_text = False
        self._phonetic = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "t":
            self._in_text = True
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.found.append("".join(self._pieces))
            self._pieces.clear()

    def text(self, data: str) -> None:
        if self._in_text and not self._phonetic:
            self._pieces.append(data)


class _Sheet(XmlEvents):
    """The rows of one sheet as shown text."""

    def __init__(self, strings: list[str], dates: set[int], epoch: datetime, budget: Budget) -> None:
        self.rows: list[list[str]] = []
        self._strings = strings
        self._dates = dates
        self._epoch = epoch
        self._budget = budget
        self._row: dict[int, str] = {}
        self._column = -1
        self._kind = ""
        self._style = 0
        self._pieces: list[str] = []
        self._in_value = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "row":
            self._row, self._column = {}, -1
        elif name == "c":
            self._column = _column(attributes.get("r", "")) if attributes.get("r") else self._column + 1
            self._kind = attributes.get("t", "n")
            style = attributes.get("s", "0")
            self._style = int(style) if style.isdigit() else 0
            self._pieces.clear()
        elif name in ("v", "t"):
            self._in_value = True

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._in_value = False
        elif name == "c" and self._pieces and 0 <= self._column < _COLUMNS:
            self._row[self._column] = self._shown("".join(self._pieces))
        elif name == "row" and self._row:
            row = [self._row.get(column, "") for column in range(max(self._row) + 1)]
            self._budget.add_text(sum(map(len, row)) + len(row))
            self.rows.append(row)

    def text(self, data: str) -> None:
        if self._in_value:
            self._pieces.append(data)

    def _shown(self, value: str) -> str:
        if self._kind == "s":
            return self._strings[int(value)] if value.isdigit() and int(value) < len(self._strings) else ""
        if self._kind == "b":
            return "true" if value == "1" else "false"
        if self._kind == "n" and self._style in self._dates:
            return _date(value, self._epoch)
        return value


def _column(place: str) -> int:
    """``B7`` is column 1."""
    number = 0
    for letter in place[:4]:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _date(value: str, epoch: datetime) -> str:
    try:
        moment = epoch + timedelta(days=float(value))
    except (ValueError, OverflowError):
        return value
    rounded = moment + timedelta(milliseconds=500)
    if float(value) < 1:
        return f"{rounded:%H:%M:%S}"
    return f"{rounded:%Y-%m-%d}" if float(value).is_integer() else f"{rounded:%Y-%m-%d %H:%M:%S}"


def _date_styles(styles: bytes) -> set[int]:
    """Which cell styles show dates or times."""
    formats = set(_DATE_FORMATS)
    dates: set[int] = set()
    position = -1
    for name, attributes in elements(styles):
        code = attributes.get("numFmtId", "")
        if name == "numFmt" and code.isdigit():
            shown = _LITERAL.sub("", attributes.get("formatCode", "")).lower()
            if any(letter in shown for letter in "dyhs") or "mm" in shown:
                formats.add(int(code))
        elif name == "cellXfs":
            position = 0
        elif name == "cellStyles":
            position = -1
        elif name == "xf" and position >= 0:
            if code.isdigit() and int(code) in formats:
                dates.add(position)
            position += 1
    return dates


def _read(source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    strings = _Strings()
    if "xl/sharedStrings.xml" in archive:
        strings.feed(archive.read("xl/sharedStrings.xml"))
    dates = _date_styles(archive.read("xl/styles.xml")) if "xl/styles.xml" in archive else set[int]()
    targets = relations(archive, _MAIN)
    epoch, pages = _EPOCHS[False], list[Page]()
    for name, attributes in elements(archive.read(_MAIN)):
        if name == "workbookPr":
            epoch = _EPOCHS[attributes.get("date1904") in ("1", "true")]
        kind, target = targets.get(attributes.get("r:id", ""), ("", ""))
        if name == "sheet" and kind == "worksheet":
            reading.budget.add_page()
            sheet = _Sheet(strings.found, dates, epoch, reading.budget)
            sheet.feed(archive.read(target))
            pages.append(Page(len(pages) + 1, tuple(named_rows(sheet.rows)), attributes.get("name")))
    return ParsedDocument(tuple(pages), _TYPE, None, {}, tuple(reading.warnings))


register(
    Format(
        "workbook",
        (_TYPE, "application/vnd.ms-excel.sheet.macroenabled.12"),
        (".xlsx", ".xlsm", ".xltx"),
        _read,
    )
)
