"""Lines of a page to headings and paragraphs, by the size of type and the distance of lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from dragoman.domain.knowledge.document import Block

_HEADING_CHARACTERS = 160
_LARGER = 1.15
_WIDE_GAP = 1.45


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; size, top (from the bottom of the page) and left in points."""

    text: str
    size: float
    top: float
    left: float


@dataclass(frozen=True, slots=True)
class Table:
    """A ruled table and where on the page it lies, in points from the bottom."""

    block: Block
    top: float
    bottom: float


def body_size(lines: Sequence[Line]) -> float:
    """The size most of the text is set in, to half a point."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def blocks_of(lines: Sequence[Line], tables: Sequence[Table], body: float) -> list[Block]:
    """The page's blocks; lines inside a table give way to the table."""
    blocks: list[Block] = []
    waiting = list(tables)
    paragraph: list[Line] = []
    gap = _usual_gap(lines)
    width = max((len(line.text) for line in lines), default=0)
    for line in lines:
        inside = next(
            (table for table in tables if table.bottom <= line.top - line.size / 2 <= table.top), None
        )
        if inside is not None:
            blocks += _ended(paragraph, body, width)
            if inside in waiting:
                waiting.remove(inside)
                blocks.append(inside.block)
            continue
        if paragraph and _parted(paragraph[-1], line, gap):
            blocks += _ended(paragraph, body, width)
        paragraph.append(line)
    blocks += _ended(paragraph, body, width)
    return blocks + [table.block for table in waiting]


def _usual_gap(lines: Sequence[Line]) -> float:
    gaps = [upper.top - lower.top for upper, lower in pairwise(lines)]
    falling = [gap for gap in gaps if gap > 1]
    return median(falling) if falling else 0.0


def _parted(upper: Line, lower: Line, gap: float) -> bool:
    if abs(upper.size - lower.size) > 0.08 * max(upper.size, lower.size):
        return True
    distance = upper.top - lower.top
    # Text that goes on higher up is another column or a box.
    return distance < -lower.size or distance > _WIDE_GAP * max(gap, lower.size)


def _ended(paragraph: list[Line], body: float, width: int) -> list[Block]:
    """The block of the lines gathered so far, which are emptied."""
    lines = list(paragraph)
    paragraph.clear()
    if not lines:
        return []
    text = joined([line.text for line in lines], width)
    size = max(line.size for line in lines)
    short = len(text) <= _HEADING_CHARACTERS and any(character.isalpha() for character in text)
    if body and short and size >= _LARGER * body and not text.endswith((".", ",", ";")):
        ratio = size / body
        return [Block("heading", " ".join(text.split()), 1 if ratio >= 1.7 else 2 if ratio >= 1.35 else 3)]
    return [Block("paragraph", text)]


def joined(lines: Sequence[str], width: int) -> str:
    """Lines of one paragraph as running text: short lines keep their ends, divided words are mended."""
    out = ""
    previous = 0
    for line in lines:
        if not out:
            out = line
        elif out[-1] in "\ufffe\u00ad\x02" or (
            out[-1] == "-" and out[-2:-1].isalpha() and line[:1].islower()
        ):
            out = out[:-1] + line
        else:
            out += (" " if previous >= width * 0.6 else "\n") + line
        previous = len(line)
    return out.replace("\ufffe", "").replace("\x02", "")
