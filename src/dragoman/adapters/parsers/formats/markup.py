"""HTML: headings, paragraphs, lists, tables and code, without what surrounds the content."""

import re
from html.parser import HTMLParser

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.adapters.parsers.tabular import pipe_table
from dragoman.domain.knowledge.document import Block, BlockKind, ParsedDocument

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_MACHINERY = {
    "script",
    "style",
    "template",
    "noscript",
    "svg",
    "iframe",
    "object",
    "select",
    "canvas",
    "math",
}
_SURROUNDINGS = {"nav", "footer"}
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BREAKS = {
    "p", "div", "section", "article", "main", "header", "aside", "body", "ul", "ol", "dl", "dt", "dd",
    "blockquote", "hr", "form", "fieldset", "address", "details", "summary", "figure", "option", "html",
    "head",
}  # fmt: skip
_CELL_CHARACTERS = 2000


class HtmlBlocks(HTMLParser):
    """Collects the blocks of a page; depth and missing end tags do not matter to it."""

    def __init__(self, *, skipped: set[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.title: str | None = None
        self._skipped = skipped
        self._skipping: tuple[str, int] | None = None
        self._pieces: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level = 0
        self._rows: list[list[str]] = []
        self._table_depth = 0
        self._preformatted = False
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if self._skipping is not None:
            if tag == self._skipping[0]:
                self._skipping = (tag, self._skipping[1] + 1)
        elif tag in self._skipped:
            self._skipping = (tag, 1)
        elif tag == "title" and self.title is None:
            self._in_title = True
        elif tag == "br":
            self._pieces.append("\n")
        elif tag in ("table", "tr", "td", "th", "caption"):
            self._table_starts(tag)
        elif self._table_depth == 0:
            self._block_starts(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if self._skipping is not None:
            if tag == self._skipping[0]:
                depth = self._skipping[1] - 1
                self._skipping = (tag, depth) if depth else None
        elif tag == "title" and self._in_title:
            self.title = " ".join("".join(self._pieces).split()) or None
            self._pieces.clear()
            self._in_title = False
        elif tag == "table" and self._table_depth > 0:
            self._table_ends()
        elif self._table_depth == 0 and (
            tag in _BREAKS or tag in _HEADINGS or tag in ("li", "pre", "figcaption")
        ):
            self.flush()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content; machinery and surroundings close themselves."""
        if tag not in self._skipped and tag != "title":
            self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        """Characters."""
        if self._skipping is None:
            self._pieces.append(data)

    def flush(self) -> None:
        """Ends the block under way."""
        text = "".join(self._pieces)
        self._pieces.clear()
        kind, level = self._kind, self._level
        shown = (
            text.strip("\n")
            if self._preformatted
            else "\n".join(" ".join(line.split()) for line in text.split("\n"))
        )
        self._kind, self._level, self._preformatted = "paragraph", 0, False
        if not shown.strip():
            return
        if kind == "heading":
            shown = " ".join(shown.split())
        elif kind == "list":
            shown = "- " + " ".join(shown.split())
            if self.blocks and self.blocks[-1].kind == "list":
                self.blocks[-1] = Block("list", self.blocks[-1].text + "\n" + shown)
                return
        self.blocks.append(Block(kind, shown.strip() if kind != "code" else shown, level))

    def close(self) -> None:
        """Ends the page, whatever is still open."""
        super().close()
        while self._table_depth > 0:
            self._table_ends()
        self.flush()

    def _block_starts(self, tag: str) -> None:
        if tag in _HEADINGS:
            self.flush()
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag == "li":
            self.flush()
            self._kind = "list"
        elif tag == "pre":
            self.flush()
            self._kind, self._preformatted = "code", True
        elif tag == "figcaption":
            self.flush()
            self._kind = "caption"
        elif tag in _BREAKS and not (tag in ("p", "div") and self._kind == "list" and not self._pieces):
            self.flush()

    def _table_starts(self, tag: str) -> None:
        if tag == "table":
            if self._table_depth == 0:
                self.flush()
                self._rows = []
            self._table_depth += 1
        elif self._table_depth == 1:
            self._cell_ends()
            if tag == "tr":
                self._rows.append([])
            elif tag in ("td", "th"):
                if not self._rows:
                    self._rows.append([])
                self._rows[-1].append("")
        else:
            self._pieces.append(" ")

    def _cell_ends(self) -> None:
        text = " ".join("".join(self._pieces).split())
        self._pieces.clear()
        if not text:
            return
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] = text
        else:
            self.blocks.append(Block("caption", text))

    def _table_ends(self) -> None:
        self._table_depth -= 1
        if self._table_depth > 0:
            return
        self._cell_ends()
        rows, self._rows = self._rows, []
        # Tables that only arrange a page hold one cell a row, or long texts.
        layout = all(len(row) <= 1 for row in rows) or any(
            len(cell) > _CELL_CHARACTERS for row in rows for cell in row
        )
        if layout:
            self.blocks += [Block("paragraph", cell) for row in rows for cell in row if cell]
        elif (table := pipe_table(rows)) is not None:
            self.blocks.append(table)


def html_blocks(text: str) -> tuple[list[Block], str | None]:
    """The blocks and the title of a page; when all of it is navigation or footer, that is kept after all."""
    for skipped in (_MACHINERY | _SURROUNDINGS, _MACHINERY, set[str]()):
        page = HtmlBlocks(skipped=skipped)
        page.feed(text)
        page.close()
        if page.blocks:
            return page.blocks, page.title
    return [], None


def declared_charset(data: bytes) -> str | None:
    """The encoding a page names for itself."""
    found = _CHARSET.search(data[:4096])
    return found[1].decode("ascii") if found else None


def _read(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading, declared=declared_charset(source.data))
    reading.budget.add_text(len(text))
    blocks, title = html_blocks(text)
    return single(blocks, "text/html", reading, title=title)


register(Format("HTML", ("text/html", "application/xhtml+xml"), (".html", ".htm", ".xhtml"), _read, True))
