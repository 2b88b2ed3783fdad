"""Cutting text into sentences that can be quoted as they are."""

import re
from dataclasses import dataclass

_LONGEST = 480
_END = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?:\s*\[\w{1,3}\])*(?=\s+[\"'“‘«(\[¿¡]*[^\Wa-z_]|\s*$)|[。！？]+[」』”]*"
)
_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))|(?<=[|:])\n")
_SHORT_FORM = re.compile(
    r"(?:^|[\s(\"“])(?:[A-Z]|[A-Z](?:\.[A-Z])+|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|Gov|Sen|Rep|vs|etc|cf|al"
    r"|no|No|Nos|vol|Vol|pp|p|Fig|fig|Eq|Sec|Art|art|ca|c|e\.g|i\.e|approx|Inc|Ltd|Co|Corp|Mt|Ft|Jan|Feb|Mar|Apr|Jun|Jul|Aug"
    r"|Sept?|Oct|Nov|Dec)\.$"
)
_SOFT_BREAK = re.compile(r"(?<=;)\s+|(?<=,)\s+(?=(?:and|but|while|which|where|with)\b)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands in its text, in characters, end exclusive."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """The sentences in their order, each a verbatim piece of the text without the space around it."""
    found: list[Sentence] = []
    start = 0
    for block in [*_BREAK.finditer(text), None]:
        end = len(text) if block is None else block.start()
        found.extend(_in_block(text, start, end))
        start = end if block is None else block.end()
    return found


def _in_block(text: str, start: int, end: int) -> list[Sentence]:
    pieces: list[Sentence] = []
    begun = start
    for match in _END.finditer(text, start, end):
        if match.group()[:1] == "." and _SHORT_FORM.search(
            text[max(begun, match.start() - 12) : match.start() + 1]
        ):
            continue
        pieces.extend(_bounded(text, begun, match.end()))
        begun = match.end()
    pieces.extend(_bounded(text, begun, end))
    return pieces


def _bounded(text: str, start: int, end: int) -> list[Sentence]:
    """The piece without space around it, cut at its softer breaks when it is too long to be a quotation."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return []
    if end - start <= _LONGEST:
        return [Sentence(text[start:end], start, end)]
    breaks = [match.end() for match in _SOFT_BREAK.finditer(text, start, end)]
    middle = (start + end) // 2
    if not breaks:
        space = text.rfind(" ", start, middle)
        breaks = [space + 1 if space > start else middle]
    cut = min(breaks, key=lambda place: abs(place - middle))
    if cut <= start or cut >= end:
        return [Sentence(text[start:end], start, end)]
    return [*_bounded(text, start, cut), *_bounded(text, cut, end)]
