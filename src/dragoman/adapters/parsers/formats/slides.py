"""Presentations (PPTX): a page a slide, the title as its heading, tables, speaker's notes."""

from collections.abc import Mapping

from dragoman.adapters.parsers.office import relations
from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.reading import Format, Reading, Source, register
from dragoman.adapters.parsers.tabular import pipe_table
from dragoman.adapters.parsers.xmlstream import XmlEvents, elements
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument

_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
# Placeholders that repeat on every slide.
_FURNITURE = ("sldNum", "dt", "ftr", "hdr", "sldImg")


class _Slide(XmlEvents):
    """The blocks of one slide or of its notes."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._placeholder = ""
        self._paragraphs: list[str] = []
        self._pieces: list[str] = []
        self._in_text = False
        self._fallback_depth = 0
        self._rows: list[list[str]] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Fallback" or self._fallback_depth:
            self._fallback_depth += 1
        elif name == "sp":
            self._placeholder = ""
        elif name == "ph":
            self._placeholder = attributes.get("type", "body")
        elif name == "t":
            self._in_text = True
        elif name == "br":
            self._pieces.append("\n")
        elif name == "tbl":
            self._rows = []
        elif name == "tr" and self._rows is not None:
            self._rows.append([])

    def end(self, name: str) -> None:
        if self._fallback_depth:
            self._fallback_depth -= 1
        elif name == "t":
            self._in_text = False
        elif name == "p":
            if text := "".join(self._pieces).strip():
                self._paragraphs.append(text)
            self._pieces.clear()
        elif name == "tc" and self._rows:
            self._rows[-1].append(" ".join(self._paragraphs))
            self._paragraphs.clear()
        elif name == "tbl" and self._rows is not None:
            table = pipe_table(self._rows)
            self.blocks += [table] if table else []
            self._rows = None
        elif name in ("txBody", "text") and self._rows is None:
            self._shape()

    def text(self, data: str) -> None:
        if self._in_text and not self._fallback_depth:
            self._pieces.append(data)

    def _shape(self) -> None:
        lines, self._paragraphs = self._paragraphs, []
        if not lines or self._placeholder in _FURNITURE:
            return
        if self._placeholder in _TITLES:
            self.blocks.insert(0, Block("heading", " ".join(" ".join(lines).split()), 1))
        else:
            self.blocks.append(Block("paragraph", "\n".join(lines)))


def _blocks(archive: Packed, part: str) -> list[Block]:
    slide = _Slide()
    slide.feed(archive.read(part))
    return slide.blocks


def _read(source: Source, reading: Reading) -> ParsedDocument:
    archive = Packed(source.data, reading)
    targets = relations(archive, _MAIN)
    order = [
        targets[attributes["r:id"]][1]
        for name, attributes in elements(archive.read(_MAIN))
        if name == "sldId" and attributes.get("r:id") in targets
    ]
    pages: list[Page] = []
    for number, part in enumerate(order, 1):
        reading.budget.add_page()
        blocks = _blocks(archive, part)
        for kind, target in relations(archive, part).values():
            if kind == "notesSlide" and target in archive:
                notes = "\n".join(block.text for block in _blocks(archive, target))
                blocks += [Block("caption", f"Notes: {notes}")] if notes else []
        reading.budget.add_text(sum(len(block.text) for block in blocks))
        pages.append(Page(number, tuple(blocks)))
    title = next((block.text for page in pages[:1] for block in page.blocks if block.kind == "heading"), None)
    return ParsedDocument(tuple(pages), _TYPE, title, {}, tuple(reading.warnings))


register(
    Format(
        "presentation",
        (_TYPE, "application/vnd.ms-powerpoint.presentation.macroenabled.12"),
        (".pptx", ".pptm", ".ppsx", ".potx"),
        _read,
    )
)
