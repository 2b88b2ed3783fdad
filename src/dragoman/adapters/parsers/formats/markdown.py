"""Markdown: headings with their levels, code, tables, lists, paragraphs."""

import re

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.adapters.parsers.tabular import pipe_table
from dragoman.domain.knowledge.document import Block, BlockKind, ParsedDocument

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#*)?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*")
_FRONT = re.compile(r"\A---[ \t]*\n(.{0,8192}?)\n---[ \t]*\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_CELL_BREAK = re.compile(r"(?<!\\)\|")


class MarkdownBlocks:
    """Collects the blocks of a Markdown text, line by line."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._kind: BlockKind = "paragraph"
        self._lines: list[str] = []
        self._fence = ""

    def read(self, text: str) -> list[Block]:
        """All blocks of the text."""
        for line in text.split("\n"):
            self._line(line)
        self._end()
        return self.blocks

    def _line(self, line: str) -> None:
        if self._fence:
            self._inside_fence(line)
        elif opened := _FENCE.match(line):
            self._end()
            self._kind, self._fence = "code", opened[1]
        elif not line.strip():
            self._end()
        elif (heading := _HEADING.fullmatch(line)) is not None:
            self._end()
            self._heading(heading[2] or "", len(heading[1]))
        elif self._lines and self._kind == "paragraph" and (under := _UNDERLINE.fullmatch(line)) is not None:
            text, self._lines = " ".join(self._lines), []
            self._heading(text, 1 if "=" in under[1] else 2)
        else:
            self._content(line)

    def _content(self, line: str) -> None:
        kind: BlockKind = "paragraph"
        if line.lstrip().startswith("|"):
            kind = "table"
        elif _ITEM.match(line) or (self._kind == "list" and self._lines):
            kind = "list"
        if kind != self._kind:
            self._end()
        self._kind = kind
        self._lines.append(line)

    def _inside_fence(self, line: str) -> None:
        stripped = line.strip()
        if stripped.startswith(self._fence) and not stripped.strip(self._fence[0]):
            self._fence = ""
            self._end()
        else:
            self._lines.append(line)

    def _heading(self, text: str, level: int) -> None:
        if text.strip():
            self.blocks.append(Block("heading", text.strip(), level))

    def _end(self) -> None:
        lines, self._lines = self._lines, []
        kind, self._kind = self._kind, "paragraph"
        if kind == "table":
            table = pipe_table(_cells(line) for line in lines if not _RULE.fullmatch(line))
            self.blocks += [table] if table else []
        elif any(line.strip() for line in lines):
            self.blocks.append(Block(kind, "\n".join(lines)))


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.replace("\\|", "|").strip() for cell in _CELL_BREAK.split(inner)]


def markdown_blocks(text: str) -> list[Block]:
    """The blocks of a Markdown text."""
    return MarkdownBlocks().read(text.replace("\r\n", "\n").replace("\r", "\n"))


def _read(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading).replace("\r\n", "\n")
    reading.budget.add_text(len(text))
    title = None
    if front := _FRONT.match(text):
        text = text[front.end() :]
        found = _TITLE.search(front[1])
        title = found[1].strip("\"'") if found else None
    blocks = markdown_blocks(text)
    first = next((block.text for block in blocks if block.kind == "heading" and block.level == 1), None)
    return single(blocks, "text/markdown", reading, title=title or first)


register(
    Format(
        "Markdown", ("text/markdown", "text/x-markdown"), (".md", ".markdown", ".mdx", ".mkd"), _read, True
    )
)
