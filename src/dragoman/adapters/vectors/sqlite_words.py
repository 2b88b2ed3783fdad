"""The word leg of a search in SQLite: BM25 with the statistics of the collections that are searched."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dragoman.adapters.vectors.words import (
    MAX_DOCUMENT_WORDS,
    MAX_SELECTS,
    collection_prefix,
    document_word,
    query_words,
    rarest,
    weight,
)
from dragoman.domain.knowledge.ports import IndexQuery

# SQLite takes at most 500 selects in one compound.
_SELECTS_PER_COMPOUND = 400

# FTS5 gives a word found in most rows this weight instead of a negative one.
_FTS5_LEAST_WEIGHT = 1e-6

_TOTALS = (
    "select coalesce(sum(passages) filter (where collection_key in (select value from json_each(:keys))), 0) "
    "as here, coalesce(sum(passages), 0) as everywhere from passage_totals"
)
_COUNT = (
    "select {part}, count(*) from "
    "(select 1 from passage_words where passage_words match :match{part} limit :most)"
)
_SCORE = (
    "select * from (select {term} as t, rowid as k, -bm25(passage_words, 0, 1) * :weight{part} as s "
    "from passage_words where passage_words match :match{part}{exists} limit :row_limit)"
)
_EXISTS = (
    " and exists (select 1 from passage_scopes v where v.passage_key = passage_words.rowid "
    "and v.document_key in (select value from json_each(:documents)))"
)
_READABLE = (
    " and not exists (select 1 from passage_scopes w where w.passage_key = passage_words.rowid "
    "and w.document_key in (select value from json_each(:withheld)))"
)
_GROUP = "select * from scored{number}"
_WORDS = "words(k, s) as (select k, sum(s) from ({every}) group by t, k)"


@dataclass(frozen=True, slots=True)
class WordLeg:
    """Common table expressions that end in ``words(k, s)``: passages with their score for each term."""

    sql: str
    params: dict[str, object]


@dataclass(slots=True)
class _Word:
    """A word of a term: how many passages of each collection have it."""

    text: str
    counts: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def word_leg(connection: Connection, query: IndexQuery, scored_rows: int) -> WordLeg | None:
    """SQL that scores passages by words, None when no word of the terms occurs.

    In scopes with more than ``scored_rows`` passages words are taken rarest first until they match so many.
    """
    collections = tuple(dict.fromkeys(query.collection_keys))
    terms = [query_words(term) for term in dict.fromkeys(query.terms)]
    room = max(2, MAX_SELECTS // max(1, len(terms) * len(collections)))
    terms = [words[:room] for words in terms]
    totals, everywhere = _totals(connection, collections)
    counts = _counts(connection, collections, terms, most=scored_rows + 1)
    selects: list[str] = []
    params: dict[str, object] = {"row_limit": max(scored_rows, query.limit)}
    for term, words in enumerate(terms):
        found = sorted((counts[word] for word in words if counts[word].counts), key=lambda word: word.total)
        for word in rarest(found, [word.total for word in found], totals, scored_rows):
            for collection_key, count in word.counts.items():
                part = str(len(selects))
                params[f"match{part}"] = _match(collection_key, word.text, query.document_keys)
                params[f"weight{part}"] = _weight(word.total, totals, count, everywhere)
                selects.append(_SCORE.replace("{part}", part).replace("{term}", str(term)))
    if not selects:
        return None
    exists = ""
    if query.document_keys is not None and len(query.document_keys) > MAX_DOCUMENT_WORDS:
        exists = _EXISTS
        params["documents"] = json.dumps(query.document_keys)
    if query.withheld:
        exists += _READABLE
        params["withheld"] = json.dumps(query.withheld)
    return WordLeg(_united([select.replace("{exists}", exists) for select in selects]), params)


def _totals(connection: Connection, collections: Sequence[int]) -> tuple[int, int]:
    """How many passages the collections have, and how many there are at all."""
    here, everywhere = connection.exec_driver_sql(_TOTALS, {"keys": json.dumps(collections)}).one()
    return here, everywhere


def _counts(
    connection: Connection, collections: Sequence[int], terms: Sequence[Sequence[str]], *, most: int
) -> Mapping[str, _Word]:
    words = {word: _Word(word) for term in terms for word in term}
    asked = [(word, key) for word in words for key in collections]
    for start in range(0, len(asked), _SELECTS_PER_COMPOUND):
        parts = asked[start : start + _SELECTS_PER_COMPOUND]
        counting = " union all ".join(_COUNT.replace("{part}", str(part)) for part in range(len(parts)))
        params = {f"match{part}": _match(key, word, None) for part, (word, key) in enumerate(parts)}
        for part, count in connection.exec_driver_sql(counting, {**params, "most": most}):
            word, key = parts[part]
            if count:
                words[word].counts[key] = count
    return words


def _weight(count: int, passages: int, count_here: int, everywhere: int) -> float:
    """Turns the weight FTS5 gives a word of one collection into its weight among the passages searched."""
    given = math.log((everywhere - count_here + 0.5) / (count_here + 0.5)) if everywhere > count_here else 0.0
    wanted = weight(count, passages)
    return wanted / (given if given > 0 else _FTS5_LEAST_WEIGHT)


def _match(collection_key: int, word: str, document_keys: Sequence[int] | None) -> str:
    wanted = f'text:"{collection_prefix(collection_key)}{word}"'
    if document_keys is None or len(document_keys) > MAX_DOCUMENT_WORDS:
        return wanted
    return f"document:({' OR '.join(map(document_word, document_keys))}) AND {wanted}"


def _united(selects: Sequence[str]) -> str:
    groups = [
        " union all ".join(selects[start : start + _SELECTS_PER_COMPOUND])
        for start in range(0, len(selects), _SELECTS_PER_COMPOUND)
    ]
    every = " union all ".join(_GROUP.replace("{number}", str(number)) for number in range(len(groups)))
    named = [f"scored{number}(t, k, s) as ({group})" for number, group in enumerate(groups)]
    return ", ".join([*named, _WORDS.replace("{every}", every)])
