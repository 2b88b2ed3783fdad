"""Word documents (DOCX): headings by style, lists, tables, footnotes."""

import re
from collections.abc import Mapping

from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.adapters.parsers.tabular import pipe_table
from dragoman.adapters.parsers.xmlstream import XmlEvents, elements
from dragoman.domain.knowledge.document import Block, ParsedDocument

_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_HEADING_NAME = re.compile(r"heading ?(\d)", re.IGNORECASE)
_SYMBOLS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}


def heading_levels(styles: bytes) -> dict[str, int]:
    """Style ids to heading levels, by the styles' names or outline levels, inherited ones included."""
    levels: dict[str, int] = {}
    parents: dict[str, str] = {}
    current = ""
    for name, attributes in elements(styles):
        if name == "style":
            current = attributes.get("styleId", "")
        elif name == "name" and current:
            shown = attributes.get("val", "")
            if found := _HEADING_NAME.fullmatch(shown):
                levels[current] = int(found[1]) or 1
            elif shown.lower() == "title":
                levels[current] = 1
        elif name == "outlineLvl" and attributes.get("val", "").isdigit():
            levels.setdefault(current, int(attributes["val"]) + 1)
        elif name == "basedOn" and current:
            parents[current] = attributes.get("val", "")
    for style in parents:
        _inherit(style, parents, levels)
    return {style: min(level, 6) for style, level in levels.items() if level <= 9}


def _inherit(style: str, parents: Mapping[str, str], levels: dict[str, int]) -> None:
    seen: set[str] = set()
    ancestor = style
    while ancestor in parents and ancestor not in levels and ancestor not in seen:
        seen.add(ancestor)
        ancestor = parents[ancestor]
    if ancestor in levels:
        levels.setdefault(style, levels[ancestor])


class _Body(XmlEvents):
    """The blocks of ``document.xml`` or ``footnotes.xml``."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self.blocks: list[Block] = []
        self._levels = levels
        self._pieces: list[str] = []
        self._style = ""
        self._outline = 0
        self._listed = False
        self._in_text = False
        self._fallback_depth = 0
        self._table_depth = 0
        self._rows: list[list[list[str]]] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Fallback" or self._fallback_depth:
            # A drawing's text stands in it twice, for new and for old readers.
            self._fallback_depth += 1
        elif name == "t":
            self._in_text = True
        elif name in _SYMBOLS:
            self._pieces.append(_SYMBOLS[name])
        elif name == "pStyle":
            self._style = attributes.get("val", "")
        elif name == "outlineLvl" and attributes.get("val", "").isdigit():
            self._outline = int(attributes["val"]) + 1
        elif name == "numPr":
            self._listed = True
        elif name in ("tbl", "tr", "tc"):
            self._table_starts(name)

    def end(self, name: str) -> None:
        if self._fallback_depth:
            self._fallback_depth -= 1
        elif name == "t":
            self._in_text = False
        elif name == "p":
            self._paragraph()
        elif name == "tbl":
            self._table_ends()

    def text(self, data: str) -> None:
        if self._in_text and not self._fallback_depth:
            self._pieces.append(data)

    def _paragraph(self) -> None:
        text = "".join(self._pieces).strip()
        style, outline, listed = self._style, self._outline, self._listed
        self._pieces.clear()
        self._style, self._outline, self._listed = "", 0, False
        if not text:
            return
        level = self._levels.get(style, 0) or (outline if outline <= 6 else 0)
        if self._table_depth:
            if self._rows and self._rows[-1]:
                self._rows[-1][-1].append(text)
        elif level:
            self.blocks.append(Block("heading", " ".join(text.split()), level))
        elif listed:
            self._item(text)
        else:
            self.blocks.append(Block("paragraph", text))

    def _item(self, text: str) -> None:
        if self.blocks and self.blocks[-1].kind == "list":
            self.blocks[-1] = Block("list", f"{self.blocks[-1].text}\n- {text}")
        else:
            self.blocks.append(Block("list", f"- {text}"))

    def _table_starts(self, name: str) -> None:
        if name == "tbl":
            self._table_depth += 1
        elif self._table_depth == 1 and name == "tr":
            self._rows.append([])
        elif self._table_depth == 1 and self._rows:
            self._rows[-1].append([])

    def _table_ends(self) -> None:
        self._table_depth -= 1
        if self._table_depth == 0:
            table = pipe_table([" ".join(cell) for cell in row] for row in self._rows)
            self._rows = []
            self.blocks += [table] if table else []


def _read(source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    levels = heading_levels(archive.read("word/styles.xml")) if "word/styles.xml" in archive else {}
    body = _Body(levels)
    body.feed(archive.read("word/document.xml"))
    for extra in ("word/footnotes.xml", "word/endnotes.xml"):
        if extra in archive:
            notes = _Body({})
            notes.feed(archive.read(extra))
            body.blocks += notes.blocks
    reading.budget.add_text(sum(len(block.text) for block in body.blocks))
    title = next((block.text for block in body.blocks if block.kind == "heading" and block.level == 1), None)
    return single(body.blocks, _TYPE, reading, title=title)


register(
    Format(
        "Word document",
        (_TYPE, "application/vnd.ms-word.document.macroenabled.12"),
        (".docx", ".docm", ".dotx"),
        _read,
    )
)
