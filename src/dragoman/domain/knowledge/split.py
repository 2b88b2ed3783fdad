"""Cuts text into spans of at most so many tokens: at paragraphs, else sentences or lines, else anywhere."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CountTokens = Callable[[str], int]

_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n\s*")
_LINE_BREAK = re.compile(r"\n+")
# After a full stop with white space behind it, after a CJK full stop, at the end of a line.
_SENTENCE_BREAK = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+(?![a-z\s])|(?<=[。！？；｡])(?![。！？；｡”’」』）])|\n+"
)
_COUNT_SLICE = 50_000
# Shorter pieces stay with the next: a list of a million full stops is no million sentences.
_PIECE_CHARACTERS = 24
# Tokenizers give up on very long words and count them as one; text is never sparser than this.
_CHARACTERS_A_TOKEN = 16
_SPACES = (" ", "\n", "\t", "\u3000")
_CHARACTER_REACH = 32
_JOINERS = {"\u200d", "\ufe0e", "\ufe0f"}


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` of a document, without outer white space; ``prose`` has sentences."""

    start: int
    end: int
    tokens: int
    prose: bool = True
    header: str | None = None


def count_slices(text: str, count_tokens: CountTokens) -> int:
    """The token count, taken in slices: tokenizers get slow or refuse when one word is a megabyte long."""
    slices = (text[at : at + _COUNT_SLICE] for at in range(0, len(text), _COUNT_SLICE))
    return max(sum(count_tokens(part) for part in slices), len(text) // _CHARACTERS_A_TOKEN)


class Splitter:
    """Cuts spans of one text."""

    def __init__(self, text: str, *, target_tokens: int, count_tokens: CountTokens) -> None:
        self._text = text
        self._target = target_tokens
        self._count_tokens = count_tokens

    def count(self, start: int, end: int) -> int:
        """Tokens between two offsets."""
        return count_slices(self._text[start:end], self._count_tokens)

    def prose(self, start: int, end: int) -> Iterator[Span]:
        """Paragraphs, and sentences of paragraphs that are too long."""
        for outer in self._pieces(start, end, _PARAGRAPH_BREAK):
            if outer.tokens <= self._target:
                yield outer
                continue
            for sentence in self._pieces(outer.start, outer.end, _SENTENCE_BREAK):
                yield from self._fitting(sentence)

    def rows(self, start: int, end: int, *, header: str | None = None) -> Iterator[Span]:
        """Lines; ``header`` goes with all but the first, which is where it stands."""
        whole = Span(start, end, self.count(start, end), prose=False)
        if whole.tokens <= self._target:
            yield whole
            return
        for line in self._pieces(start, end, _LINE_BREAK):
            shown = header if line.start > start else None
            for piece in self._fitting(line):
                yield Span(piece.start, piece.end, piece.tokens, prose=False, header=shown)

    def sentence_starts(self, start: int, end: int) -> list[int]:
        """Where the sentences between two offsets begin, in order."""
        breaks = (
            self._written(found.end(), end) for found in _SENTENCE_BREAK.finditer(self._text, start, end)
        )
        return [start, *(at for at in breaks if start < at < end)]

    def _written(self, start: int, end: int) -> int:
        """The first offset from ``start`` on that is no white space."""
        content = self._text[start:end]
        return start + len(content) - len(content.lstrip())

    def first_line(self, start: int, end: int) -> str:
        """The text up to the first line end."""
        line_end = self._text.find("\n", start, end)
        return self._text[start : end if line_end < 0 else line_end]

    def _pieces(self, start: int, end: int, separator: re.Pattern[str]) -> Iterator[Span]:
        at = start
        for found in separator.finditer(self._text, start, end):
            if found.end() - at < _PIECE_CHARACTERS:
                continue
            yield from self._piece(at, found.start() if separator is not _SENTENCE_BREAK else found.end())
            at = found.end()
        yield from self._piece(at, end)

    def _piece(self, start: int, end: int, tokens: int | None = None) -> Iterator[Span]:
        content = self._text[start:end]
        if stripped := content.strip():
            first = start + len(content) - len(content.lstrip())
            counted = count_slices(stripped, self._count_tokens) if tokens is None else tokens
            yield Span(first, first + len(stripped), counted)

    def _fitting(self, span: Span) -> Iterator[Span]:
        """The span, or the parts of it that fit when it does not."""
        if span.tokens <= self._target or span.end - span.start < 2:
            yield span
            return
        at = span.start
        width = max(1, (span.end - span.start) * self._target // span.tokens)
        while at < span.end:
            cut = self._cut(at, min(span.end, at + width), span.end)
            while (tokens := self.count(at, cut)) > self._target and cut - at > 1:
                cut = self._cut(at, at + (cut - at) // 2, span.end)
            yield from self._piece(at, cut, tokens)
            at = cut

    def _cut(self, start: int, end: int, limit: int) -> int:
        """The best cut not far before ``end``: behind white space, else not inside a written character."""
        end = max(end, start + 1)
        if end >= limit:
            return limit
        half = start + (end - start) // 2
        space = max(self._text.rfind(mark, half, end) for mark in _SPACES)
        if space >= 0:
            return space + 1
        nearest = range(end, max(half, end - _CHARACTER_REACH), -1)
        return next((at for at in nearest if not self._joined(at)), end)

    def _joined(self, at: int) -> bool:
        before, after = self._text[at - 1], self._text[at]
        return (
            before in _JOINERS
            or after in _JOINERS
            or unicodedata.combining(after) != 0
            or "🏻" <= after <= "🏿"
        )
