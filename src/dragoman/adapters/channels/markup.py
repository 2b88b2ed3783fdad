"""Markdown as messaging services show it: WhatsApp's own marks, Telegram's entities."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token

Entity: TypeAlias = dict[str, str | int]

# Indented text is meant as text; only fences are code.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable(["code", "html_inline"])
_SIGNS: Mapping[str, str] = {"strong": "*", "em": "_", "s": "~", "heading": "*"}
_ENTITIES: Mapping[str, str] = {
    "strong": "bold",
    "em": "italic",
    "s": "strikethrough",
    "heading": "bold",
    "blockquote": "blockquote",
}
_LINKED = ("http://", "https://", "tg://")
_RULE = "———"
_BEGINNING = ("paragraph_open", "heading_open", "list_item_open", "blockquote_open", "fence", "hr")


class _Writer(Protocol):
    """Takes an answer in its order."""

    def text(self, text: str) -> None: ...

    def code(self, text: str) -> None: ...

    def block(self, text: str, language: str) -> None: ...

    def begin(self, kind: str, url: str) -> None: ...

    def end(self, kind: str) -> None: ...


class _Marks:
    """WhatsApp's way: signs around words, addresses in brackets behind them."""

    def __init__(self) -> None:
        self.written = ""
        self._open: list[tuple[int, str]] = []
        self._headings = 0

    def text(self, text: str) -> None:
        self.written += text

    def code(self, text: str) -> None:
        self.written += f"`{text}`"

    def block(self, text: str, language: str) -> None:
        self.written += f"```\n{text}\n```"

    def begin(self, kind: str, url: str) -> None:
        self._open.append((len(self.written), url))
        self._headings += kind == "heading"
        # A heading is bold as a whole.
        if not (kind == "strong" and self._headings):
            self.written += _SIGNS.get(kind, "")

    def end(self, kind: str) -> None:
        start, url = self._open.pop()
        before, shown = self.written[:start], self.written[start:]
        if kind == "link":
            self.written += "" if shown == url or not url else f" ({url})"
        elif kind == "blockquote":
            self.written = before + "> " + shown.replace("\n", "\n> ")
        elif not (kind == "strong" and self._headings):
            self.written += _SIGNS.get(kind, "")
        self._headings -= kind == "heading"


class _Entities:
    """Telegram's way: the plain text, and beside it what is to be shown how, counted in UTF-16 units."""

    def __init__(self) -> None:
        self.written = ""
        self.entities: list[Entity] = []
        self._open: list[tuple[int, str]] = []

    def text(self, text: str) -> None:
        self.written += text

    def code(self, text: str) -> None:
        self._shown(len(self.written), "code", text)

    def block(self, text: str, language: str) -> None:
        self._shown(len(self.written), "pre", text, **({"language": language} if language else {}))

    def begin(self, kind: str, url: str) -> None:
        self._open.append((len(self.written), url))

    def end(self, kind: str) -> None:
        start, url = self._open.pop()
        if kind != "link":
            if kind in _ENTITIES:
                self._shown(start, _ENTITIES[kind])
        elif self.written[start:] == url or not url:
            return
        elif url.startswith(_LINKED):
            self._shown(start, "text_link", url=url)
        else:
            self.written += f" ({url})"

    def _shown(self, start: int, kind: str, text: str = "", **more: str) -> None:
        self.written += text
        length = _units(self.written[start:].rstrip())
        if length:
            self.entities.append(
                {"type": kind, "offset": _units(self.written[:start]), "length": length, **more}
            )


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def with_marks(text: str) -> str:
    """Markdown as WhatsApp writes it: ``*bold*``, ``_italic_``, ``~struck~``, code between backticks, ``words (address)``."""
    writer = _Marks()
    _write(text, writer)
    return writer.written.strip()


def with_entities(text: str) -> tuple[str, list[Entity]]:
    """Markdown as plain text with Telegram's ``MessageEntity`` objects."""
    writer = _Entities()
    _write(text, writer)
    return writer.written.rstrip(), writer.entities


def _write(text: str, writer: _Writer) -> None:
    depth, end = 0, None
    for token in _MARKDOWN.parse(text.strip()):
        depth += token.nesting if token.type.endswith(("_list_open", "_list_close")) else 0
        begins = token.type in _BEGINNING
        if begins and end is not None and token.map is not None:
            # As near as it was written.
            writer.text("\n\n" if token.map[0] > end else "\n")
            writer.text("  " * (depth - (token.type == "list_item_open")))
        _write_block(token, writer)
        if begins:
            # What stands within begins on the same line.
            end = token.map[1] if token.map is not None and token.nesting == 0 else None
        elif token.type == "inline" and token.map is not None:
            end = token.map[1]


def _write_block(token: Token, writer: _Writer) -> None:
    match token.type:
        case "list_item_open":
            writer.text(f"{token.info}{token.markup} " if token.info else "- ")
        case "heading_open" | "blockquote_open":
            writer.begin(token.type.removesuffix("_open"), "")
        case "heading_close" | "blockquote_close":
            writer.end(token.type.removesuffix("_close"))
        case "inline":
            _write_inline(token.children or [], writer)
        case "fence":
            writer.block(token.content.rstrip("\n"), token.info.split(" ")[0])
        case "hr":
            writer.text(_RULE)
        case _:
            pass


def _write_inline(tokens: Sequence[Token], writer: _Writer) -> None:
    for token in tokens:
        match token.type:
            case "text":
                writer.text(token.content)
            case "softbreak" | "hardbreak":
                writer.text("\n")
            case "code_inline":
                writer.code(token.content)
            case "image":
                writer.begin("link", str(token.attrs.get("src", "")))
                writer.text(token.content)
                writer.end("link")
            case "link_open":
                writer.begin("link", str(token.attrs.get("href", "")))
            case _ if token.type.endswith("_open"):
                writer.begin(token.type.removesuffix("_open"), "")
            case _ if token.type.endswith("_close"):
                writer.end(token.type.removesuffix("_close"))
            case _:
                writer.text(token.content)
