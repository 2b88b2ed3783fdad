"""Words as the quoting model sees them: cut, folded and stemmed, with what a question asks for."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from dragoman.adapters.models.english import ENDINGS, IRREGULAR, NUMBER_WORDS, SMALL_WORDS, TIME_WORDS

AnswerKind: TypeAlias = Literal["date", "number", "person", "place", "name", "reason", "any"]

_WORD = re.compile(r"[^\W_]+(?:[.,:]\d+|['’´`][^\W_]+)*")
# Scripts written without spaces: every character is a word of its own.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text. ``proper``: written like a name or a number, amid its sentence."""

    stem: str
    plain: str
    start: int
    end: int
    proper: bool


def folded(text: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A rough common form of the word's inflections; the word itself when it is short or has digits."""
    word = IRREGULAR.get(word, word)
    if not word.isalpha() or not word.isascii():
        return word
    # Endings come off in two rounds, so that "organizers" meets "organize".
    for _ in range(2):
        for ending, instead in ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
                word = word[: len(word) - len(ending)] + instead
                break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word[:-1] + "i" if len(word) > _SHORTEST_STEM and word.endswith("y") else word


def words(text: str) -> list[Word]:
    """All words of the text in their order."""
    found: list[Word] = []
    for match in _WORD.finditer(text):
        raw = match.group()
        if _UNSPACED.search(raw):
            found.extend(
                Word(character, character, match.start() + place, match.start() + place + 1, False)
                for place, character in enumerate(raw)
            )
            continue
        plain = re.sub(r"['’´`]s?$|['’´`]s\b", "", folded(raw)).replace(",", "")
        first = match.start() == 0 or text[: match.start()].rstrip()[-1:] in ".!?:"
        proper = raw[0].isdigit() or (raw[0].isupper() and not first) or (len(raw) > 1 and raw.isupper())
        found.append(Word(stem(plain), plain, match.start(), match.end(), proper))
    return found


def content(found: list[Word]) -> list[Word]:
    """The words that carry meaning; all of them when nothing but small words is there."""
    kept = [word for word in found if word.plain not in SMALL_WORDS]
    return kept or found


def is_number(word: Word) -> bool:
    """Whether the word counts or measures something."""
    return word.plain[:1].isdigit() or word.plain in NUMBER_WORDS


def is_date(word: Word) -> bool:
    """Whether the word tells a time: a year, a month, a weekday."""
    plain = word.plain
    if plain in TIME_WORDS:
        return plain != "may" or word.proper
    digits = plain.rstrip("s")
    return digits.isdigit() and len(digits) in (3, 4) and 100 <= int(digits) <= 2199


_TIMES = "year|date|day|month|century|decade"
_SIZES = (
    "percent|percentage|number|amount|size|age|proportion|fraction|population|score|price|cost"
    "|temperature|distance|speed|rank"
)
_PLACES = (
    "city|country|state|place|region|river|town|location|area|continent|island|stadium|street|building|county"
)
_NAMED = (
    "team|company|band|group|organization|university|school|book|film|album|song|person|king|queen"
    "|president|name|player|author|network|show|treaty|war|battle"
)
_MEASURES = "many|much|long|old|far|tall|high|large|big|deep|wide|heavy|fast|often|few|small|hot|cold"
_KINDS: tuple[tuple[str, AnswerKind], ...] = (
    (rf"\b(when|what (time|{_TIMES})|(in|on|since|by|during) which ({_TIMES}))\b", "date"),
    (rf"\bhow ({_MEASURES})\b|\b(which|what) (\w+ )?({_SIZES})\b", "number"),
    (r"\b(who|whom|whose)\b", "person"),
    (rf"\bwhere\b|\b(what|which) (\w+ )?({_PLACES})\b", "place"),
    (r"\bwhy\b|\bwhat (\w+ )?(reason|cause)\b", "reason"),
    (rf"\b(what|which) (\w+ )?({_NAMED})\b|\bnamed?\b|\bcalled\b", "name"),
)
_KIND_PATTERNS: tuple[tuple[re.Pattern[str], AnswerKind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _KINDS
)


def asked_for(question: str) -> AnswerKind:
    """What kind of thing answers the question."""
    for pattern, kind in _KIND_PATTERNS:
        if pattern.search(question):
            return kind
    return "any"
