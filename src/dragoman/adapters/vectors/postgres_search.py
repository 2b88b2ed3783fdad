"""The search statement for PostgreSQL: filters, exact comparison, words and their fusion in one."""

import re
from dataclasses import dataclass, field

import numpy as np
import orjson
from sqlalchemy import Connection

from dragoman.adapters.vectors.codes import bit_strings, width
from dragoman.adapters.vectors.postgres_words import Totals, word_leg
from dragoman.adapters.vectors.words import MAX_TERMS, WINDOW, WORD_WINDOW
from dragoman.domain.knowledge.ports import IndexHit, IndexQuery
from dragoman.kit.errors import InvalidInput

_TABLE_NAME = re.compile(r"passage_vectors_(\d+)(?:_(\d+))?")

# The compiler costs more than it saves here, and a plan for unknown collections is a bad plan for each.
_SETTINGS = "select set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
_SEARCH = """
with {words},
best_words(k, s) as (select k, max(s) from words group by k order by 2 desc, 1 limit %(word_window)s),
meaning(k, x) as materialized ({meaning}),
judged(k, s, x) as materialized ({judged}),
by_words(k, s, x) as (select k, s, x from judged where x is null or x >= %(floor)s),
by_meaning(k, x) as (select k, x from meaning where x >= %(floor)s order by x desc, k limit %(window)s),
candidates(k, s, x) as (
  select k, max(s), max(x) from (
    select k, s, x from (select k, s, x from by_words order by s desc, k limit %(window)s) matched
    union all
    select k, null::float8, x from by_meaning) both_legs
  group by k),
bounds(top_s, low_x, top_x) as (select max(s), min(x), max(x) from candidates)
select k, {score} as score, x from candidates, bounds
order by score desc, k limit %(limit)s
"""
# Weighted so that fusing was better than either leg alone on every collection it was measured with; fusing by rank was not.
_WORD_SHARE = "coalesce(s / nullif(top_s, 0), 0)"
_MEANING_SHARE = (
    f"case when x is null then {_WORD_SHARE} when top_x > low_x then (x - low_x) / (top_x - low_x) else 1 end"
)
_SCORES = {
    "hybrid": f"0.25 * {_WORD_SHARE} + 0.75 * {_MEANING_SHARE}",
    "vector": "x",
    "keyword": "s",
}
_NO_WORDS = "words(k, s) as (select null::bigint, null::float8 where false)"
_NO_MEANING = "select null::bigint, null::float8 where false"
_UNJUDGED = "select k, s, null::float8 from best_words"
_JUDGED = "select b.k, b.s, {similarity} from best_words b left join {vectors} v on v.passage_key = b.k"
# Where every vector of the scope is compared anyway, the word matches take theirs from there.
_JUDGED_ALREADY = "select b.k, b.s, m.x from best_words b left join meaning m on m.k = b.k"
_MEANING = "select v.passage_key, {similarity} from {vectors} v where {scope}{candidates}"
_COLLECTIONS = "v.collection_key = any(%(collections)s::bigint[])"
_DOCUMENTS = " and v.document_key = any(%(documents)s::bigint[])"
_WITHHELD = " and v.document_key <> all(%(withheld)s::bigint[])"
_CANDIDATES = " and v.passage_key = any({found})"
_FOUND = (
    "array(select v.passage_key from {codes} v where {scope} "
    "order by v.code <~> %(code{term})s::bit({width}) limit %(rescored)s)"
)
_SIMILARITY = "coalesce(nullif(1 - (v.vector <=> %(vector{term})s::vector), 'NaN'), 0)"
_COUNT_VECTORS = "select count(*) from (select 1 from {vectors} v where {scope} limit %(most)s) counted"
_LENGTHS = (
    "select relname from pg_class where relname ~ '^passage_vectors_[0-9]+(_[0-9]+)?$' and relkind = 'r' "
    "and pg_table_is_visible(oid)"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits the work of a search; see ``PostgresIndex``."""

    exact_rows: int
    rescored: int
    scored_rows: int


@dataclass(slots=True)
class _Statement:
    """A search statement being put together: its conditions on ``v``, its parts and its parameters."""

    scope: str
    params: dict[str, object] = field(default_factory=dict[str, object])
    words: str = _NO_WORDS
    judged: str = _UNJUDGED
    meaning: str = _NO_MEANING

    @classmethod
    def of(cls, query: IndexQuery) -> "_Statement":
        statement = cls(_COLLECTIONS)
        statement.params = {
            "collections": list(query.collection_keys),
            "floor": query.minimum_similarity,
            "limit": query.limit,
            "window": max(WINDOW, query.limit),
            "word_window": max(WORD_WINDOW, query.limit),
        }
        if query.document_keys is not None:
            statement.scope += _DOCUMENTS
            statement.params["documents"] = list(query.document_keys)
        if query.withheld:
            statement.scope += _WITHHELD
            statement.params["withheld"] = list(query.withheld)
        return statement

    def sql(self, fuse: str) -> str:
        return (
            _SEARCH.replace("{words}", self.words)
            .replace("{judged}", self.judged)
            .replace("{meaning}", self.meaning)
            .replace("{score}", _SCORES[fuse])
        )


def search(connection: Connection, query: IndexQuery, bounds: Bounds) -> list[IndexHit]:
    """The best passages of one search.

    Raises:
        InvalidInput: more terms than one statement can hold.
    """
    if len(query.terms) > MAX_TERMS:
        raise InvalidInput(f"a search takes at most {MAX_TERMS} terms", param="terms")
    if not query.collection_keys or query.document_keys == () or query.limit < 1:
        return []
    connection.exec_driver_sql(_SETTINGS)
    statement = _Statement.of(query)
    totals = Totals.of(connection, query.collection_keys)
    statement.params["rescored"] = max(bounds.rescored, query.limit, totals.passages // 50)
    if query.fuse != "vector":
        leg = word_leg(connection, query, totals, bounds.scored_rows)
        if leg is not None:
            statement.words = leg.sql
            statement.params.update(leg.params)
    vectors = query.vectors
    if vectors is not None and len(vectors) and (vectors.shape[1], query.space) in vector_tables(connection):
        _compare(connection, query, bounds, statement)
    rows = connection.exec_driver_sql(statement.sql(query.fuse), statement.params)
    return [IndexHit(key, float(score), similarity) for key, score, similarity in rows]


def vector_tables(connection: Connection) -> list[tuple[int, int]]:
    """Lengths of vectors and their spaces that the index has tables for."""
    names = connection.exec_driver_sql(_LENGTHS).scalars()
    return sorted(
        (int(found.group(1)), int(found.group(2) or 0))
        for name in names
        if (found := _TABLE_NAME.fullmatch(name))
    )


def named(statement: str, dimensions: int, space: int) -> str:
    """The statement with the tables of vectors of that length in that space."""
    ending = f"{dimensions:d}_{space:d}" if space else f"{dimensions:d}"
    return statement.replace("{vectors}", f"passage_vectors_{ending}").replace(
        "{codes}", f"passage_codes_{ending}"
    )


def _compare(connection: Connection, query: IndexQuery, bounds: Bounds, statement: _Statement) -> None:
    """Adds the vectors: word matches are judged by them, and the nearest passages are found."""
    assert query.vectors is not None
    vectors = np.ascontiguousarray(query.vectors, dtype=np.float32)
    dimensions, space = vectors.shape[1], query.space
    for number, vector in enumerate(vectors):
        statement.params[f"vector{number}"] = orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    each = ", ".join(_SIMILARITY.replace("{term}", str(number)) for number in range(len(vectors)))
    similarity = f"case when v.vector is not null then greatest({each}) end"
    statement.judged = named(_JUDGED, dimensions, space).replace("{similarity}", similarity)
    if query.fuse == "keyword":
        return
    counting = named(_COUNT_VECTORS, dimensions, space).replace("{scope}", statement.scope)
    most = {**statement.params, "most": bounds.exact_rows + 1}
    candidates = ""
    if connection.exec_driver_sql(counting, most).scalar_one() <= bounds.exact_rows:
        statement.judged = _JUDGED_ALREADY
    else:
        candidates = _CANDIDATES.replace("{found}", _found(dimensions, space, len(vectors), statement.scope))
        codes = bit_strings(vectors)
        statement.params.update({f"code{number}": code for number, code in enumerate(codes)})
    statement.meaning = (
        named(_MEANING, dimensions, space)
        .replace("{similarity}", similarity)
        .replace("{scope}", statement.scope)
        .replace("{candidates}", candidates)
    )


def _found(dimensions: int, space: int, terms: int, scope: str) -> str:
    each = (
        named(_FOUND, dimensions, space).replace("{scope}", scope).replace("{width}", str(width(dimensions)))
    )
    return " || ".join(each.replace("{term}", str(number)) for number in range(terms))
