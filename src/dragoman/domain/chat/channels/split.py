"""An answer as the messages that a person would send: cut at blank lines, never inside a block of code."""

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^\s*(```|~~~)")
_BLANK = re.compile(r"\n[ \t]*\n+")


def split_answer(text: str, *, piece_length: int, longest: int) -> list[str]:
    """Pieces at blank lines of at most ``piece_length`` characters, very short ones together; a block of code stays whole.

    No piece is longer than ``longest``.
    """
    pieces: list[str] = []
    for block in _blocks(text):
        if pieces and _stay_together(pieces[-1], block) and piece_length > _SHORT:
            pieces[-1] = f"{pieces[-1]}\n\n{block}"
        elif _has_fence(block):
            pieces += cut(block, longest)
        else:
            pieces += cut(block, min(piece_length, longest))
    return pieces


# Very short paragraphs would make a burst of messages.
_SHORT = 120


def _stay_together(first: str, second: str) -> bool:
    return len(first) + 2 + len(second) <= _SHORT and not _has_fence(first) and not _has_fence(second)


def _has_fence(block: str) -> bool:
    return any(_FENCE.match(line) for line in block.split("\n"))


def _blocks(text: str) -> Iterator[str]:
    """The text between blank lines; from the beginning of a block of code to its end it is one."""
    held: list[str] = []
    fenced = False
    for line in text.strip().split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        if not line.strip() and not fenced:
            if held:
                yield "\n".join(held)
            held = []
        else:
            held.append(line)
    if held:
        yield "\n".join(held)


def cut(text: str, longest: int) -> list[str]:
    """The text in pieces of at most so many characters, cut at a blank line, a line, a sentence or a word."""
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > longest:
        place = _place(rest, longest)
        pieces.append(rest[:place].rstrip())
        rest = rest[place:].lstrip()
    return [*pieces, rest] if rest else pieces


def _place(text: str, longest: int) -> int:
    head = text[:longest]
    for ends in (_BLANK, re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s"), re.compile(r"\s")):
        last = max((found.end() for found in ends.finditer(head)), default=0)
        if last > longest // 2:
            return last
    return longest
