"""Turns what a parser read into the document's text and the passages that are searched and cited.

The text is the blocks joined by blank lines; every passage is a slice of it. A passage lies on one page and
under one heading; long sections are cut at paragraphs, then sentences, then wherever they must.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dragoman.domain.knowledge.document import Block, BlockKind, ParsedDocument
from dragoman.domain.knowledge.model import PassageDraft
from dragoman.domain.knowledge.split import CountTokens, Span, Splitter

_SEPARATOR = "\n\n"
_HEADING_CHARACTERS = 200
_PREFIX_CHARACTERS = 400
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufeff]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document's text, the offsets at which its pages begin, and its passages in reading order."""

    text: str
    page_starts: tuple[tuple[int | None, int], ...]
    passages: tuple[PassageDraft, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A block with its place in the text and what stands above it."""

    kind: BlockKind
    start: int
    end: int
    page_index: int
    path: tuple[str, ...]


def chunk(
    parsed: ParsedDocument, *, target_tokens: int, overlap_tokens: int, count_tokens: CountTokens
) -> ChunkedDocument:
    """The text and passages of a parsed document.

    ``target_tokens`` is the most a passage has (a character that is more tokens than that aside); one
    that goes on where another stopped begins with up to ``overlap_tokens`` of whole sentences from there.
    """
    text, page_starts, placed = _lay_out(parsed)
    splitter = Splitter(text, target_tokens=target_tokens, count_tokens=count_tokens)
    packer = _Packer(
        splitter, target_tokens=target_tokens, overlap_tokens=min(overlap_tokens, target_tokens // 2)
    )
    drafts: list[PassageDraft] = []
    for section in _sections(placed):
        for first, last, path in packer.pack(section):
            first, last = _trimmed(text, first, last)
            if first == last:
                continue
            content = text[first:last]
            drafts.append(
                PassageDraft(
                    ordinal=len(drafts),
                    text=content,
                    page=parsed.pages[section[0].page_index].number,
                    heading_path=path,
                    char_start=first,
                    char_end=last,
                    token_count=splitter.count(first, last),
                )
            )
    return ChunkedDocument(text, page_starts, tuple(drafts), parsed.warnings)


def _trimmed(text: str, first: int, last: int) -> tuple[int, int]:
    """The slice without white space at its ends."""
    content = text[first:last]
    end = first + len(content.rstrip())
    return end - len(content.strip()), end


def embedding_text(text: str, heading_path: Sequence[str], document_name: str) -> str:
    """What is indexed and embedded for a passage: its document's name, the headings above it, its text."""
    first_lines = text.split("\n", 2 * len(heading_path) + 1)
    above = [part for part in heading_path if part not in first_lines]
    prefix = " > ".join(part for part in (document_name, *above) if part)
    return f"{prefix[:_PREFIX_CHARACTERS]}\n\n{text}" if prefix else text


def clean_text(text: str) -> str:
    """The text with plain line ends, without characters that a database or a client cannot take."""
    plain = _LINE_END.sub("\n", _CONTROL.sub("", text))
    return _SURROGATE.sub("\ufffd", plain).strip()


def _lay_out(parsed: ParsedDocument) -> tuple[str, tuple[tuple[int | None, int], ...], list[_Placed]]:
    pieces: list[str] = []
    starts: list[tuple[int | None, int]] = []
    placed: list[_Placed] = []
    headings = _Headings()
    at = 0
    for index, page in enumerate(parsed.pages):
        starts.append((page.number, at))
        headings.enter(page.label)
        for block in page.blocks:
            content = clean_text(block.text)
            if not content:
                continue
            path = headings.above(block, content)
            placed.append(_Placed(block.kind, at, at + len(content), index, path))
            pieces.append(content)
            at += len(content) + len(_SEPARATOR)
    text = _SEPARATOR.join(pieces)
    return text, tuple((number, min(start, len(text))) for number, start in starts), placed


class _Headings:
    """The headings that hold at a place of the document."""

    def __init__(self) -> None:
        self._label: str | None = None
        self._stack: list[tuple[int, str]] = []

    def enter(self, label: str | None) -> None:
        """A page begins; a named one is a part of its own, which no earlier heading reaches into."""
        if label != self._label:
            self._label = label
            self._stack.clear()

    def above(self, block: Block, content: str) -> tuple[str, ...]:
        """The headings a block stands under, its own included when it is one."""
        if block.kind == "heading":
            level = max(1, block.level)
            while self._stack and self._stack[-1][0] >= level:
                self._stack.pop()
            self._stack.append((level, _heading(content)))
        label = () if self._label is None else (_heading(clean_text(self._label)),)
        return (*label, *(title for _, title in self._stack))


def _heading(content: str) -> str:
    line = " ".join(content[: 2 * _HEADING_CHARACTERS].split())
    return line if len(line) <= _HEADING_CHARACTERS else line[: _HEADING_CHARACTERS - 1] + "…"


def _sections(placed: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Runs of blocks on one page under one heading; headings without a text go with what follows."""
    current: list[_Placed] = []
    for block in placed:
        if current and not _continues(current[-1], block):
            yield current
            current = []
        current.append(block)
    if current:
        yield current


def _continues(last: _Placed, block: _Placed) -> bool:
    """Whether a block belongs with the one before it; a heading leads on to anything."""
    if block.page_index != last.page_index:
        return False
    return last.kind == "heading" or (block.kind != "heading" and block.path == last.path)


class _Packer:
    """Joins the small and cuts the large, within one section."""

    def __init__(self, splitter: Splitter, *, target_tokens: int, overlap_tokens: int) -> None:
        self._splitter = splitter
        self._target = target_tokens
        self._overlap = overlap_tokens

    def pack(self, section: Sequence[_Placed]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Start, end and heading path of each passage of a section."""
        spans: list[Span] = []
        paths: dict[int, tuple[str, ...]] = {}
        for block in section:
            for span in self._spans(block):
                spans.append(span)
                paths[span.end] = block.path
        for group in self._groups(spans):
            path, header = paths[group[-1].end], group[0].header
            yield group[0].start, group[-1].end, path if header is None else (*path, header)

    def _spans(self, block: _Placed) -> Iterator[Span]:
        if block.kind == "table":
            # A table in columns needs its first row to be understood; rows that name their values do not.
            first = self._splitter.first_line(block.start, block.end)
            return self._splitter.rows(
                block.start, block.end, header=_heading(first) if first[:1] == "|" else None
            )
        if block.kind in ("code", "list"):
            return self._splitter.rows(block.start, block.end)
        return self._splitter.prose(block.start, block.end)

    def _groups(self, spans: Sequence[Span]) -> Iterator[list[Span]]:
        total = sum(span.tokens + 1 for span in spans)
        # Even shares rather than full passages and a crumb at the end.
        share = total / max(1, -(-total // self._target))
        group: list[Span] = []
        held = fresh = 0
        for span in spans:
            if group and (held + span.tokens + 1 > self._target or fresh >= share):
                yield group
                group = self._carried(group, span)
                held, fresh = sum(carried.tokens + 1 for carried in group), 0
            group.append(span)
            held += span.tokens + 1
            fresh += span.tokens + 1
        if group:
            yield group

    def _carried(self, group: Sequence[Span], following: Span) -> list[Span]:
        """The last sentences of a passage, as far as the next one has room for them."""
        room = min(self._overlap, self._target - following.tokens - 2)
        end = group[-1].end
        best: Span | None = None
        for span in reversed(group):
            if room <= 0 or not (span.prose and following.prose):
                break
            for start in reversed(self._splitter.sentence_starts(span.start, span.end)):
                tokens = self._splitter.count(start, end)
                if tokens > room or start == group[0].start:
                    return [] if best is None else [best]
                best = Span(start, end, tokens)
        return [] if best is None else [best]
