"""The search statement both databases share: word matches, nearest passages, and the order they come back in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dragoman.adapters.vectors.words import WINDOW, WORD_WINDOW, asks_by_name
from dragoman.domain.knowledge.ports import IndexQuery

# Similarities are materialized, as SQLite would compare each vector again for every mention of the result.
# Words point to passages when these are few of those compared, and none further has more than half of their word score.
# Among less than forty passages any word is rare; there only a question that is a name points.
_SEARCH = """
with {words},
best_words(k, s) as materialized (
  select k, max(s) from words group by k order by 2 desc, 1 limit {word_window}),
meaning(k, x) as materialized ({meaning}),
judged(k, s, x) as materialized ({judged}),
by_words(k, s, x) as (select k, s, x from judged where x is null or x >= {floor}),
by_meaning(k, x) as (select k, x from meaning where x >= {floor} order by x desc, k limit {window}),
candidates(k, s, x) as (
  select k, max(s), max(x) from (
    select k, s, x from (select k, s, x from by_words order by s desc, k limit {window}) matched
    union all
    select k, cast(null as float8), x from by_meaning) both_legs
  group by k),
bounds(top_s, low_x, top_x) as (select max(s), min(x), max(x) from candidates),
few(few) as (
  select case when count(*) < 40 then {fewest} when count(*) < 400 then count(*) / 20 else 20 end from meaning),
bar(bar_s) as (
  select coalesce(2 * (select s from best_words order by s desc limit 1 offset (select few from few)), 0))
select k, {score} as score, x from candidates, bounds, bar
order by score desc, k limit {limit}
"""
_PARAMETERS = ("word_window", "window", "floor", "limit")
# Weighted so that fusing was better than either leg alone on every collection it was measured with; fusing by rank was not.
_WORD_SHARE = "coalesce(s / nullif(top_s, 0), 0)"
_MEANING_SHARE = (
    f"case when x is null then {_WORD_SHARE} when top_x > low_x then (x - low_x) / (top_x - low_x) else 1 end"
)
_POINTED_AT = "case when s > bar_s then 1 else 0 end"
_SCORES = {
    "hybrid": f"0.25 * {_WORD_SHARE} + 0.75 * {_MEANING_SHARE} + {_POINTED_AT}",
    "vector": "x",
    "keyword": "s",
}
_NO_WORDS = "words(k, s) as (select cast(null as bigint), cast(null as float8) where false)"
_NO_MEANING = "select cast(null as bigint), cast(null as float8) where false"
_UNJUDGED = "select k, s, cast(null as float8) from best_words"
JUDGED = "select b.k, b.s, {similarity} from best_words b left join {vectors} v on v.passage_key = b.k"
# Where every vector of the scope is compared anyway, the word matches take theirs from there.
JUDGED_ALREADY = "select b.k, b.s, m.x from best_words b left join meaning m on m.k = b.k"
MEANING = "select v.passage_key, {similarity} from {vectors} v where {scope}{candidates}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits the work of a search; see the indexes."""

    exact_rows: int
    rescored: int
    scored_rows: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a database is spoken to: parameters as ``parameter`` has them, lists of keys as ``listed``, conditions on ``v``."""

    parameter: str
    listed: Callable[[Sequence[int]], object]
    collections: str
    documents: str
    withheld: str


@dataclass(slots=True)
class Statement:
    """A search statement being put together: its conditions on ``v``, its parts and its parameters."""

    spoken: Spoken
    scope: str
    params: dict[str, object]
    by_name: bool = False
    words: str = _NO_WORDS
    judged: str = _UNJUDGED
    meaning: str = _NO_MEANING

    @classmethod
    def of(cls, query: IndexQuery, spoken: Spoken) -> "Statement":
        """The statement for a query, still without words and vectors."""
        params: dict[str, object] = {
            "collections": spoken.listed(query.collection_keys),
            "floor": query.minimum_similarity,
            "limit": query.limit,
            "window": max(WINDOW, query.limit),
            "word_window": max(WORD_WINDOW, query.limit),
        }
        statement = cls(spoken, spoken.collections, params, asks_by_name(query.terms))
        if query.document_keys is not None:
            statement.scope += spoken.documents
            params["documents"] = spoken.listed(query.document_keys)
        if query.withheld:
            statement.scope += spoken.withheld
            params["withheld"] = spoken.listed(query.withheld)
        return statement

    def sql(self, fuse: Literal["hybrid", "vector", "keyword"]) -> str:
        """The whole statement, giving key, score and similarity of each passage, best first."""
        search = _SEARCH
        for name in _PARAMETERS:
            search = search.replace(f"{{{name}}}", self.spoken.parameter.format(name))
        return (
            search.replace("{words}", self.words)
            .replace("{judged}", self.judged)
            .replace("{meaning}", self.meaning)
            .replace("{score}", _SCORES[fuse])
            .replace("{fewest}", str(int(self.by_name)))
        )
