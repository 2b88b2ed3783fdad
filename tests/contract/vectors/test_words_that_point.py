"""Words that stand in few of many passages lead to these, however near the meaning of the others is."""

from collections.abc import Mapping

import numpy as np
import pytest
from indexed_database import IndexedDatabase
from numpy.typing import NDArray

from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery

DIMENSIONS = 32
PASSAGES = 400
SENTENCE = "Invoice {word} stands on a shelf beside the others and is dusted once a month."
NEAREST = 7
# Two passages whose vectors are the least similar to every question, and a third one that is like most.
FAR = (111, 222)
HOLDERS = (*FAR, 333)
PATHS = pytest.mark.parametrize("bounds", [{}, {"exact_rows": 0, "rescored": 150}], ids=["exact", "by codes"])


def _question() -> NDArray[np.float32]:
    return np.eye(1, DIMENSIONS, dtype=np.float32)


def _near_identical() -> NDArray[np.float32]:
    """Vectors nearly all alike, 0.70 to 0.73 similar to the question, one more so, and the far ones less."""
    rows = np.random.default_rng(7).standard_normal((PASSAGES, DIMENSIONS)).astype(np.float32)
    rows[:, 0] = 0
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = np.linspace(0.70, 0.73, PASSAGES, dtype=np.float32)
    similarity[NEAREST - 1] = 0.75
    similarity[np.array(FAR) - 1] = 0.6
    rows *= np.sqrt(1 - similarity**2)[:, None]
    rows[:, 0] = similarity
    return rows


def _fill(
    indexed: IndexedDatabase, words: Mapping[int, str], *, lengths: Mapping[int, int] | None = None
) -> None:
    """``PASSAGES`` passages that differ in nothing but a word, and by ``lengths`` in how often the sentence stands."""
    entries = [
        IndexEntry(
            key,
            1,
            key,
            SENTENCE.format(word=words.get(key, f"q{key:05d}"))
            + f" {SENTENCE.format(word='it')}" * ((lengths or {}).get(key, 1) - 1),
        )
        for key in range(1, PASSAGES + 1)
    ]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, DIMENSIONS)
        index.add_text(connection, entries)
        index.add_vectors(connection, entries, _near_identical())


def _search(
    indexed: IndexedDatabase, *terms: str, bounds: Mapping[str, int], **more: object
) -> list[IndexHit]:
    vectors = np.repeat(_question(), len(terms), axis=0)
    query = IndexQuery((1,), terms, vectors, **{"limit": 10, **more})  # type: ignore[arg-type]
    with indexed.transaction(keep=False) as connection:
        return indexed.make(**bounds).search(connection, query)


def _keys(hits: list[IndexHit]) -> list[int]:
    return [hit.passage_key for hit in hits]


@PATHS
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("question", ["zorba4217", "What is on invoice zorba4217, and who was it sent to?"])
def test_passages_that_alone_hold_a_word_come_first(
    indexed: IndexedDatabase, bounds: dict[str, int], count: int, question: str
) -> None:
    _fill(indexed, dict.fromkeys(HOLDERS[:count], "zorba4217"))
    for limit in (10, 128):
        hits = _search(indexed, question, bounds=bounds, limit=limit)
        assert set(_keys(hits)[:count]) == set(HOLDERS[:count])
        assert len(hits) == limit


def test_a_long_passage_that_holds_the_word_is_not_behind_those_without(indexed: IndexedDatabase) -> None:
    _fill(indexed, dict.fromkeys(FAR, "zorba4217"), lengths={FAR[0]: 20})
    assert _keys(_search(indexed, "invoice zorba4217", bounds={}))[:2] == [FAR[1], FAR[0]]


def test_among_passages_that_hold_the_word_the_nearer_one_comes_first(indexed: IndexedDatabase) -> None:
    _fill(indexed, {FAR[0]: "zorba4217", NEAREST: "zorba4217"})
    assert _keys(_search(indexed, "zorba4217", bounds={}))[:2] == [NEAREST, FAR[0]]


def test_a_name_in_one_of_forty_passages_leads_to_all_of_them(indexed: IndexedDatabase) -> None:
    named = set(range(5, PASSAGES, 40))
    _fill(indexed, dict.fromkeys(named, "zorba"))
    assert set(_keys(_search(indexed, "Which invoice names zorba?", bounds={}))) == named


def test_two_questions_lead_to_the_passage_of_each(indexed: IndexedDatabase) -> None:
    _fill(indexed, {FAR[0]: "zorba4217", FAR[1]: "zorba4218"})
    hits = _search(indexed, "invoice zorba4217", "invoice zorba4218", bounds={})
    assert set(_keys(hits)[:2]) == set(FAR)


@PATHS
def test_a_word_of_many_passages_leaves_the_nearest_in_front(
    indexed: IndexedDatabase, bounds: dict[str, int]
) -> None:
    _fill(indexed, dict.fromkeys(range(1, PASSAGES, 2), "zorba"))
    assert _keys(_search(indexed, "invoice zorba", bounds=bounds))[0] == NEAREST


def test_words_lift_nothing_over_the_similarity_asked_for(indexed: IndexedDatabase) -> None:
    _fill(indexed, dict.fromkeys(HOLDERS, "zorba4217"))
    hits = _search(indexed, "zorba4217", bounds={}, minimum_similarity=0.65)
    assert _keys(hits)[0] == HOLDERS[2]
    assert not set(FAR) & set(_keys(hits))


def test_by_meaning_alone_the_word_counts_for_nothing(indexed: IndexedDatabase) -> None:
    _fill(indexed, {FAR[0]: "zorba4217"})
    hits = _search(indexed, "zorba4217", bounds={}, fuse="vector", limit=128)
    assert _keys(hits)[0] == NEAREST
    assert FAR[0] not in _keys(hits)


SMALL = ("Refunds are paid within fourteen days.", "Please come back tomorrow.", "Invoice 4217 is of May.")


@pytest.mark.parametrize(
    ("question", "first"),
    [("How do I get my money back?", 1), ("what is on invoice 4217?", 3), ("tomorrow", 2)],
)
def test_among_few_passages_only_a_question_that_is_a_name_leads_away_from_its_meaning(
    indexed: IndexedDatabase, question: str, first: int
) -> None:
    vectors = np.eye(DIMENSIONS, dtype=np.float32)[:3]
    vectors[0] = vectors[0] + 3 * _question()[0]
    vectors[0] /= np.linalg.norm(vectors[0])
    entries = [IndexEntry(key, 1, key, text) for key, text in enumerate(SMALL, 1)]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, DIMENSIONS)
        index.add_text(connection, entries)
        index.add_vectors(connection, entries, vectors)
    assert _keys(_search(indexed, question, bounds={}))[0] == first
