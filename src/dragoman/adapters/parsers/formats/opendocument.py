"""OpenDocument texts, sheets and presentations (ODT, ODS, ODP)."""

from collections.abc import Mapping

from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Encrypted, Format, Reading, Source, register
from dragoman.adapters.parsers.tabular import named_rows, pipe_table
from dragoman.adapters.parsers.xmlstream import XmlEvents, elements
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument

_TEXT = "application/vnd.oasis.opendocument.text"
_SHEET = "application/vnd.oasis.opendocument.spreadsheet"
_SLIDES = "application/vnd.oasis.opendocument.presentation"
_SPACES = 100
# A repeated cell is an empty rest of the row far more often than data; more copies say nothing.
_REPEATED = 50


class _Content(XmlEvents):
    """The pages of ``content.xml``."""

    def __init__(self, *, sheets: bool) -> None:
        self.pages: list[Page] = []
        self.blocks: list[Block] = []
        self._sheets = sheets
        self._pieces: list[str] = []
        self._level = 0
        self._open = 0
        self._list_depth = 0
        self._hidden_depth = 0
        self._label: str | None = None
        self._table_depth = 0
        self._rows: list[list[str]] = []
        self._cell: list[str] = []
        self._repeat = 1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in ("tracked-changes", "annotation") or self._hidden_depth:
            self._hidden_depth += 1
        elif name in ("h", "p"):
            self._open += 1
            level = attributes.get("outline-level", "1")
            self._level = (int(level) if level.isdigit() else 1) if name == "h" else 0
        elif name == "s":
            count = attributes.get("c", "1")
            self._pieces.append(" " * min(_SPACES, int(count) if count.isdigit() else 1))
        elif name in ("tab", "line-break"):
            self._pieces.append("\t" if name == "tab" else "\n")
        elif name == "list":
            self._list_depth += 1
        elif name == "page":
            self._label = attributes.get("name")
        elif name == "table":
            self._table_depth += 1
            self._label = attributes.get("name") if self._sheets else self._label
        elif name == "table-row" and self._table_depth == 1:
            self._rows.append([])
        elif name == "table-cell" and self._table_depth == 1:
            repeat = attributes.get("number-columns-repeated", "1")
            self._repeat = min(int(repeat) if repeat.isdigit() else 1, _REPEATED)
            self._cell = []

    def end(self, name: str) -> None:
        if self._hidden_depth:
            self._hidden_depth -= 1
        elif name in ("h", "p"):
            self._open -= 1
            self._paragraph()
        elif name == "list":
            self._list_depth -= 1
        elif name in ("table-cell", "covered-table-cell") and self._table_depth == 1 and self._rows:
            self._rows[-1] += [" ".join(self._cell)] * (self._repeat if name == "table-cell" else 1)
            self._cell = []
        elif name == "table":
            self._table_ends()
        elif name == "page":
            self._page()

    def text(self, data: str) -> None:
        if self._open and not self._hidden_depth:
            self._pieces.append(data)

    def _paragraph(self) -> None:
        text = "".join(self._pieces).strip()
        self._pieces.clear()
        if not text:
            return
        if self._table_depth:
            self._cell.append(text)
        elif self._level:
            self.blocks.append(Block("heading", " ".join(text.split()), min(self._level, 6)))
        elif self._list_depth:
            self.blocks.append(Block("list", f"- {text}"))
        else:
            self.blocks.append(Block("paragraph", text))

    def _table_ends(self) -> None:
        self._table_depth -= 1
        if self._table_depth:
            return
        rows, self._rows = self._rows, []
        if self._sheets:
            self.blocks += named_rows(rows)
            self._page()
        elif (table := pipe_table(rows)) is not None:
            self.blocks.append(table)

    def _page(self) -> None:
        self.pages.append(Page(len(self.pages) + 1, tuple(self.blocks), self._label))
        self.blocks, self._label = [], None


def _read_as(media_type: str, source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    manifest = "META-INF/manifest.xml"
    if manifest in archive and any(name == "encryption-data" for name, _ in elements(archive.read(manifest))):
        raise Encrypted("The document is protected with a password.")
    content = _Content(sheets=media_type == _SHEET)
    content.feed(archive.read("content.xml"))
    pages = list(content.pages)
    if content.blocks or not pages:
        pages.append(Page(None if media_type == _TEXT else len(pages) + 1, tuple(content.blocks)))
    for page in pages:
        reading.budget.add_page()
        reading.budget.add_text(sum(len(block.text) for block in page.blocks))
    return ParsedDocument(tuple(pages), media_type, None, {}, tuple(reading.warnings))


register(
    Format(
        "OpenDocument text",
        (_TEXT,),
        (".odt", ".ott"),
        lambda source, reading: _read_as(_TEXT, source, reading),
    )
)
register(
    Format(
        "OpenDocument sheet", (_SHEET,), (".ods",), lambda source, reading: _read_as(_SHEET, source, reading)
    )
)
register(
    Format(
        "OpenDocument slides",
        (_SLIDES,),
        (".odp",),
        lambda source, reading: _read_as(_SLIDES, source, reading),
    )
)
