"""Words of a text, cut the same way for the index and for the question, in any script."""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

MAX_WORDS_PER_PASSAGE = 20_000
MAX_TERMS = 100
MAX_WORDS_PER_TERM = 48
MAX_WORD_CHARS = 64
_NAME_WORDS = 2
# Up to this many documents are words of the match; more are looked up for each match.
MAX_DOCUMENT_WORDS = 64
# Words times collections of one search.
MAX_SELECTS = 2_400
# How many of each leg take part in the fusion.
WINDOW = 100
# Words are ranked over a wider window, since some of it may fall below the similarity asked for.
WORD_WINDOW = 200

W = TypeVar("W")

_FUNCTION_WORDS = """
a about all also an and any are as at be been but by can could did do does for from had has have how i if in
into is it its just me my no not of on or our she should so some such than that the their them then there
these they this to us was we were what when where which who why will with would you your
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())

# Letters and digits, with the marks that belong to the letter before (Hebrew, Arabic, scripts of India).
_WORD = re.compile(
    r"(?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff])+"
)
_ACCENTS = re.compile(r"[\u0300-\u036f]+")
# Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def index_text(text: str, *, prefix: str = "") -> str:
    """The passage's words in lower case without accents, each behind ``prefix``, one space between them.

    Runs of a script written without spaces become single characters and pairs; no engine cuts them.
    """
    words: list[str] = []
    for word in _words(text):
        words.append(prefix + word)
        if len(words) >= MAX_WORDS_PER_PASSAGE:
            break
    return " ".join(words)


def query_words(term: str) -> tuple[str, ...]:
    """Distinct words of a question in order, without English function words unless nothing else is there."""
    distinct = dict.fromkeys(_words(term, pairs_only=True))
    telling = [word for word in distinct if word not in STOP_WORDS] or list(distinct)
    return tuple(telling[:MAX_WORDS_PER_TERM])


def asks_by_name(terms: Sequence[str]) -> bool:
    """Whether a question is a name rather than a sentence: it has few telling words, or one with a digit.

    In a sentence a rare word often is not what is asked for.
    """
    asked = [query_words(term) for term in terms]
    return any(len(words) <= _NAME_WORDS or any(map(_has_digit, words)) for words in asked if words)


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def collection_prefix(collection_key: int) -> str:
    """What stands before every word of a collection; its letter leaves the stem of the word alone."""
    return f"{collection_key:d}q"


def document_word(document_key: int) -> str:
    """The word that stands for a document."""
    return f"d{document_key:d}"


def weight(count: int, passages: int) -> float:
    """What a word says that is in ``count`` of the passages, as BM25 counts it; always above 0."""
    return math.log(1 + (max(passages - count, 0) + 0.5) / (count + 0.5))


def rarest(words: Sequence[W], counts: Sequence[int], passages: int, rows: int) -> Sequence[W]:
    """The words to search for, of ``words`` in the order of their ``counts``.

    All, unless there are more passages than ``rows``; then as many as match that many passages, at least one.
    """
    if passages <= rows:
        return words
    return words[: max(1, bisect_right(list(accumulate(counts)), rows))]


def _words(text: str, *, pairs_only: bool = False) -> Iterator[str]:
    lowered = _plain(text).lower()
    spaced = lowered.isascii()
    for match in _WORD.finditer(lowered):
        word = match.group()
        if spaced or word.isascii():
            yield word[:MAX_WORD_CHARS]
        else:
            yield from _cut(word, pairs_only)


def _plain(text: str) -> str:
    if text.isascii():
        return text
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", whole)))


def _cut(word: str, pairs_only: bool) -> Iterator[str]:
    start = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > start:
            yield word[start : run.start()][:MAX_WORD_CHARS]
        yield from _pairs(run.group(), pairs_only)
        start = run.end()
    if start < len(word):
        yield word[start:][:MAX_WORD_CHARS]


def _pairs(run: str, pairs_only: bool) -> Iterator[str]:
    if len(run) == 1 or not pairs_only:
        yield from run
    for at in range(len(run) - 1):
        yield run[at : at + 2]
