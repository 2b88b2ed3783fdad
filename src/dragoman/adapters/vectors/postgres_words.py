"""The word leg of a search in PostgreSQL: BM25 with the statistics of the collections that are searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dragoman.adapters.vectors.words import (
    MAX_DOCUMENT_WORDS,
    MAX_SELECTS,
    WORD_WINDOW,
    collection_prefix,
    document_word,
    query_words,
    rarest,
    weight,
)
from dragoman.domain.knowledge.ports import IndexQuery

# How many matches of a term, by the weight of the words they have, are scored in full.
LIKELY = WORD_WINDOW

_TOTALS = (
    "select coalesce(sum(passages), 0)::bigint, coalesce(sum(words), 0)::bigint from passage_totals "
    "where collection_key = any(%(collections)s::bigint[])"
)
_COUNTS = """
select asked.number, term.lexeme, term.passages
from unnest(%(numbers)s::integer[], %(words)s::text[]) as asked(number, word)
cross join lateral unnest(to_tsvector('dragoman_words', asked.word)) as found(lexeme, positions, weights)
join passage_terms term on term.lexeme = found.lexeme
where term.passages > 0
"""
_ASKED = (
    "asked as materialized (select * from unnest(%(asked_terms)s::integer[], %(asked_lexemes)s::text[], "
    "%(asked_weights)s::float8[]) as asked(term, lexeme, weight))"
)
_MATCHED = (
    "matched{term} as materialized (select v.passage_key, v.length, v.words from passage_words v "
    "where v.words @@ %(match{term})s::tsquery "
    "and v.collection_key = any(%(collections)s::bigint[]){documents} "
    "limit %(row_limit)s), "
    "likely{term} as materialized (select * from matched{term} v "
    "order by {presence} desc, passage_key limit %(likely)s), "
    "scored{term}(k, s) as (select v.passage_key, "
    "sum(asked.weight * 2.2::float8 * cardinality(found.positions) "
    "/ (cardinality(found.positions) + 0.3::float8 + 0.9::float8 * v.length / %(mean_length)s::float8)) "
    "from likely{term} v cross join lateral unnest(v.words) as found(lexeme, positions, weights) "
    "join asked on asked.term = {term} and asked.lexeme = found.lexeme group by v.passage_key)"
)
_PRESENT = "case when v.words @@ %(has{part})s::tsquery then %(weight{part})s::float8 else 0 end"
_DOCUMENTS = " and v.document_key = any(%(documents)s::bigint[])"
_WITHHELD = " and v.document_key <> all(%(withheld)s::bigint[])"
_SCORED = "select k, s from scored{term}"


@dataclass(frozen=True, slots=True)
class WordLeg:
    """Common table expressions that end in ``words(k, s)``: passages with their score for each term."""

    sql: str
    params: dict[str, object]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many passages the collections have, and how many words those."""

    passages: int
    words: int

    @classmethod
    def of(cls, connection: Connection, collection_keys: Sequence[int]) -> "Totals":
        return cls(*connection.exec_driver_sql(_TOTALS, {"collections": list(collection_keys)}).one())

    @property
    def mean_length(self) -> float:
        return max(1.0, self.words / max(1, self.passages))


@dataclass(slots=True)
class _Word:
    """A word of a term: its lexeme in each collection that has it, and in how many passages it is."""

    lexemes: list[str] = field(default_factory=list[str])
    total: int = 0


def word_leg(connection: Connection, query: IndexQuery, totals: Totals, scored_rows: int) -> WordLeg | None:
    """SQL that scores passages by words, None when no word of the terms occurs.

    In scopes with more than ``scored_rows`` passages words are taken rarest first until they match so many.
    """
    collections = list(dict.fromkeys(query.collection_keys))
    terms = [query_words(term) for term in dict.fromkeys(query.terms)]
    room = max(2, MAX_SELECTS // max(1, len(terms) * len(collections)))
    words = _counted(connection, collections, [term[:room] for term in terms])
    building = _Building({"mean_length": totals.mean_length})
    for term, asked in enumerate(terms):
        found = sorted(
            (words[word] for word in asked[:room] if words[word].total), key=lambda word: word.total
        )
        chosen = rarest(found, [word.total for word in found], totals.passages, scored_rows)
        if chosen:
            building.add(term, chosen, totals.passages, query)
    building.params["collections"] = collections
    building.params["documents"] = list(query.document_keys or ())
    building.params["withheld"] = list(query.withheld)
    building.params["row_limit"] = max(scored_rows, query.limit)
    building.params["likely"] = max(LIKELY, query.limit)
    return building.leg()


class _Building:
    """The word leg being put together, term by term."""

    def __init__(self, params: dict[str, object]) -> None:
        self.params = params
        self._expressions: list[str] = []
        self._terms: list[int] = []
        self._asked: list[tuple[int, str, float]] = []
        self._parts = 0

    def add(self, term: int, words: Sequence[_Word], passages: int, query: IndexQuery) -> None:
        document_keys = query.document_keys
        present: list[str] = []
        for word in words:
            part, self._parts = str(self._parts), self._parts + 1
            share = weight(word.total, passages)
            self._asked.extend((term, lexeme, share) for lexeme in word.lexemes)
            self.params[f"has{part}"] = _either(word.lexemes)
            self.params[f"weight{part}"] = share
            present.append(_PRESENT.replace("{part}", part))
        wanted = _either([lexeme for word in words for lexeme in word.lexemes])
        documents = ""
        if document_keys is not None:
            documents = _DOCUMENTS
            if len(document_keys) <= MAX_DOCUMENT_WORDS:
                wanted = f"({_either([document_word(key) for key in document_keys])}) & ({wanted})"
        if query.withheld:
            documents += _WITHHELD
        self.params[f"match{term}"] = wanted
        self._terms.append(term)
        self._expressions.append(
            _MATCHED.replace("{term}", str(term))
            .replace("{documents}", documents)
            .replace("{presence}", " + ".join(present))
        )

    def leg(self) -> WordLeg | None:
        if not self._terms:
            return None
        terms, lexemes, weights = zip(*self._asked, strict=True)
        self.params.update(asked_terms=list(terms), asked_lexemes=list(lexemes), asked_weights=list(weights))
        every = " union all ".join(_SCORED.replace("{term}", str(term)) for term in self._terms)
        return WordLeg(", ".join([_ASKED, *self._expressions, f"words(k, s) as ({every})"]), self.params)


def _counted(
    connection: Connection, collections: Sequence[int], terms: Sequence[Sequence[str]]
) -> Mapping[str, _Word]:
    words = {word: _Word() for term in terms for word in term}
    numbered = list(words)
    asked = [(number, key) for number in range(len(numbered)) for key in collections]
    params = {
        "numbers": [number for number, _ in asked],
        "words": [collection_prefix(key) + numbered[number] for number, key in asked],
    }
    for number, lexeme, passages in connection.exec_driver_sql(_COUNTS, params):
        word = words[numbered[number]]
        word.lexemes.append(lexeme)
        word.total += passages
    return words


def _either(lexemes: Sequence[str]) -> str:
    quoted = ("'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes)
    return " | ".join(quoted)
