"""Text on its way to be spoken, cut where a speaker breathes while it is still being written."""

import re

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]|\n+")
_CLAUSE = re.compile(r"[,;:—](?=\s)|[，；：、]")
_FEWEST_WORDS = 3
_LONGEST = 240
_SPOKEN = re.compile(r"\w")
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|e\.g|i\.e|etc)|\b[A-Z])\.$")


class Phraser:
    """Takes text piece by piece and gives phrases as soon as they are whole; the first one is short."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def push(self, piece: str) -> list[str]:
        """The phrases that are whole now."""
        self._text += piece
        phrases: list[str] = []
        while (cut := self._cut()) is not None:
            phrase, self._text = self._text[:cut], self._text[cut:]
            self._take(phrase, phrases)
        return phrases

    def flush(self) -> list[str]:
        """What is left at the end."""
        phrases: list[str] = []
        self._take(self._text, phrases)
        self._text = ""
        return phrases

    def _take(self, phrase: str, phrases: list[str]) -> None:
        if _SPOKEN.search(phrase):
            phrases.append(phrase.strip())
            self._first = False

    def _cut(self) -> int | None:
        for match in _END.finditer(self._text):
            if not _ABBREVIATED.search(self._text[: match.end()].rstrip()):
                return match.end()
        if self._first or len(self._text) > _LONGEST:
            for match in _CLAUSE.finditer(self._text):
                if len(self._text[: match.end()].split()) >= _FEWEST_WORDS:
                    return match.end()
        if len(self._text) > 2 * _LONGEST:
            return self._text.rfind(" ", 0, _LONGEST) + 1 or _LONGEST
        return None
