"""Finding the sentences that answer a question, by their words alone."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dragoman.adapters.models.sentences import Sentence, sentences
from dragoman.adapters.models.words import (
    AnswerKind,
    Word,
    asked_for,
    content,
    is_date,
    is_number,
    words,
)

_Matrix = NDArray[np.float64]

# Fitted as a linear ranking of sentences on 1,190 questions to encyclopedia articles; either half of the
# articles gives nearly these numbers and the same quality on the other half.
_WEIGHT_MATCHED = 6.9
_WEIGHT_BEFORE = 2.2
_WEIGHT_AROUND = 2.1
_WEIGHT_PASSAGE = 1.5
_WEIGHT_HEADING = 1.3
_WEIGHT_PAIRS = 2.2
_WEIGHT_EXACT = 4.2
_WEIGHT_KIND = 1.05
_PROPER_WORD = 1.3
_SMALLEST_TERM = 0.1
_COMMON_START = 4
_NEARLY = 0.8
_REASON = re.compile(
    r"\b(because|due|since|results?|caus\w+|reasons?|in order|so that|as a|to)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered passage; ``heading``: what is known of its place, such as title and headings."""

    number: int
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer. ``score`` orders the candidates of one question; ``support`` (0..1) says
    how much of the question its passage speaks of, and may be compared between questions."""

    number: int
    position: int
    sentence: Sentence
    score: float
    support: float


@dataclass(frozen=True, slots=True)
class _Row:
    passage: int
    position: int
    sentence: Sentence
    words: list[Word]
    stems: frozenset[str]


def candidates(question: str, passages: Sequence[Passage]) -> list[Candidate]:
    """All sentences of the passages, best first; the same input always gives the same order."""
    rows = _rows(passages)
    asked = words(question)
    terms = _distinct(content(asked))
    if not rows or not terms:
        return []
    scoring = _Scoring(terms, {word.stem for word in asked}, asked_for(question), rows, passages)
    found = [scoring.candidate(index) for index in range(len(rows))]
    return sorted(found, key=lambda each: (-each.score, each.number, each.position))


def _rows(passages: Sequence[Passage]) -> list[_Row]:
    rows: list[_Row] = []
    for index, passage in enumerate(passages):
        for position, sentence in enumerate(sentences(passage.text)):
            found = words(sentence.text)
            rows.append(_Row(index, position, sentence, found, frozenset(word.stem for word in found)))
    return rows


def _distinct(found: Sequence[Word]) -> list[Word]:
    return list({word.stem: word for word in reversed(found)}.values())[::-1]


def _alike(one: str, other: str) -> bool:
    """Whether two stems are likely forms of one word: the same start and little more."""
    longer = max(len(one), len(other))
    shared = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return shared >= _COMMON_START and shared >= longer - 3


def _matched(term: str, stems: frozenset[str]) -> float:
    if term in stems:
        return 1.0
    if len(term) < _COMMON_START or not term.isalpha():
        return 0.0
    return _NEARLY if any(_alike(term, each) for each in stems) else 0.0


class _Scoring:
    """One question against all sentences at once. Matrices are ``[terms, sentences]`` or ``[terms,
    passages]``.
    """

    def __init__(
        self,
        terms: list[Word],
        asked: set[str],
        kind: AnswerKind,
        rows: list[_Row],
        passages: Sequence[Passage],
    ) -> None:
        self._terms, self._asked, self._kind, self._rows = terms, asked, kind, rows
        self._numbers = [passage.number for passage in passages]
        headings = [frozenset(word.stem for word in words(passage.heading)) for passage in passages]
        self._in_sentence = self._matches([row.stems for row in rows])
        self._in_heading = self._matches(headings)
        self._in_passage = np.zeros((len(terms), len(passages)))
        for index, row in enumerate(rows):
            column = self._in_passage[:, row.passage]
            np.maximum(column, self._in_sentence[:, index], out=column)
        self._weights = self._term_weights()
        proper = np.array([_PROPER_WORD if term.proper else 1.0 for term in terms])
        # Rarity depends on how many passages there are; what is compared between questions must not.
        self._even = proper / proper.sum()

    def _matches(self, texts: Sequence[frozenset[str]]) -> _Matrix:
        return np.array(
            [[_matched(term.stem, stems) for stems in texts] for term in self._terms], dtype=np.float64
        )

    def _term_weights(self) -> _Matrix:
        """What a term counts, all together 1: rare ones here, names and numbers count more."""
        holding = (self._in_sentence > 0).sum(axis=1)
        rarity = np.log((len(self._rows) + 1) / (holding + 0.5))
        proper = np.array([_PROPER_WORD if term.proper else 1.0 for term in self._terms])
        weights = np.maximum(rarity * proper, _SMALLEST_TERM)
        return weights / weights.sum()

    def candidate(self, index: int) -> Candidate:
        row = self._rows[index]
        here = self._in_sentence[:, index]
        before, after = self._neighbour(index, -1), self._neighbour(index, 1)
        passage, heading = self._in_passage[:, row.passage], self._in_heading[:, row.passage]
        matched = self._share(here)
        pairs, exact = self._pairs(row, matched), self._exact(row, self._weights)
        score = (
            _WEIGHT_MATCHED * matched
            + _WEIGHT_BEFORE * self._share(before - here)
            + _WEIGHT_AROUND * self._share(np.maximum(before, after) - here)
            + _WEIGHT_PASSAGE * self._share(passage - here)
            + _WEIGHT_HEADING * self._share(heading - here)
            + _WEIGHT_PAIRS * pairs
            + _WEIGHT_EXACT * exact
            + _WEIGHT_KIND * self._kind_fits(row)
        )
        spoken_of = float(self._even @ np.maximum(passage, heading))
        said_here = float(self._even @ here)
        support = 0.5 * spoken_of + 0.25 * said_here + 0.25 * self._exact(row, self._even)
        return Candidate(self._numbers[row.passage], row.position, row.sentence, score, support)

    def _share(self, matches: _Matrix) -> float:
        return float(self._weights @ np.maximum(matches, 0))

    def _neighbour(self, index: int, step: int) -> _Matrix:
        other = index + step
        if 0 <= other < len(self._rows) and self._rows[other].passage == self._rows[index].passage:
            return self._in_sentence[:, other]
        return np.zeros(len(self._terms))

    def _exact(self, row: _Row, weights: _Matrix) -> float:
        """The share of the question found in the very form it was written in."""
        plain = {word.plain for word in row.words}
        return float(sum(w for w, term in zip(weights, self._terms, strict=True) if term.plain in plain))

    def _pairs(self, row: _Row, matched: float) -> float:
        """How many neighbours in the question stand near each other in the sentence, 0..1."""
        if len(self._terms) == 1:
            return matched
        places: dict[str, list[int]] = {}
        for place, word in enumerate(row.words):
            places.setdefault(word.stem, []).append(place)
        total = 0.0
        for one, other in zip(self._terms, self._terms[1:], strict=False):
            gaps = [abs(a - b) for a in places.get(one.stem, ()) for b in places.get(other.stem, ())]
            gap = min(gaps, default=math.inf)
            total += 1.0 if gap <= 1 else 0.7 if gap <= 3 else 0.3 if gap <= 6 else 0.0
        return total / (len(self._terms) - 1)

    def _kind_fits(self, row: _Row) -> float:
        """Whether the sentence holds something new of the kind that is asked for, -1..1."""
        new = [word for word in row.words if word.stem not in self._asked]
        numbers = any(is_number(word) for word in new)
        match self._kind:
            case "date":
                return 1.0 if any(is_date(word) for word in new) else 0.3 if numbers else -0.5
            case "number":
                return 1.0 if numbers else -0.7
            case "person" | "place" | "name":
                return 1.0 if any(word.proper and not word.plain[:1].isdigit() for word in new) else -0.5
            case "reason":
                return 1.0 if _REASON.search(row.sentence.text) else -0.2
            case _:
                return 0.0
