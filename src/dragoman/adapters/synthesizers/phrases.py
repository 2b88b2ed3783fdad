"""Cutting a text into what is spoken at once: the first piece short, so that speech begins soon."""

import re

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]|\n+|$)", re.DOTALL)
_CLAUSE = re.compile(r".+?(?:[,;:—](?=\s)|[，；：、]|$)", re.DOTALL)
_FIRST_LONGEST = 60
_LONGEST = 280
_FEWEST_WORDS = 3
_SPOKEN = re.compile(r"\w")


def phrases(text: str) -> list[str]:
    """The phrases in order; what cannot be spoken is left out."""
    found: list[str] = []
    for match in _SENTENCE.finditer(text):
        sentence = " ".join(match.group().split())
        if not _SPOKEN.search(sentence):
            continue
        limit = _LONGEST if found else _FIRST_LONGEST
        found += [sentence] if len(sentence) <= limit else _clauses(sentence, first=not found)
    return found


def _clauses(sentence: str, *, first: bool) -> list[str]:
    """A long sentence at its commas; short clauses stay together."""
    pieces: list[str] = []
    for match in _CLAUSE.finditer(sentence):
        clause = match.group().strip()
        if not clause:
            continue
        roomy = _LONGEST if not first or len(pieces) > 1 else 0
        last = pieces[-1] if pieces else ""
        if last and (len(last.split()) < _FEWEST_WORDS or len(last) + len(clause) < roomy):
            pieces[-1] = f"{last} {clause}"
        else:
            pieces.append(clause)
    return [part for piece in pieces for part in _cut(piece)]


def _cut(piece: str) -> list[str]:
    """A piece without commas at its spaces, when it is still too long."""
    parts: list[str] = []
    while len(piece) > _LONGEST:
        at = piece.rfind(" ", 1, _LONGEST)
        at = _LONGEST if at < 1 else at
        parts.append(piece[:at].strip())
        piece = piece[at:].strip()
    return [*parts, piece] if piece else parts
