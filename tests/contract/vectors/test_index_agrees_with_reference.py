"""Any sequence of changes leaves both indexes saying what a plain look at everything says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_reference import ReferenceIndex
from indexed_database import IndexedDatabase
from numpy.typing import NDArray

from dragoman.domain.knowledge.ports import IndexEntry, IndexQuery

DIMENSIONS = 24
PASSAGES = 36
# Words that no stemmer changes.
WORDS = ("anchor", "basil", "cobalt", "drum", "fjord", "gravel", "harbor", "lantern")
VECTORS = np.random.default_rng(5).standard_normal((40, DIMENSIONS)).astype(np.float32)

Fuse = Literal["hybrid", "vector", "keyword"]


@dataclass(frozen=True)
class Change:
    kind: Literal["text", "vectors", "both", "remove", "remove_vectors"]
    keys: tuple[int, ...]
    words: tuple[str, ...]
    seed: int


keys = st.lists(st.integers(1, PASSAGES), min_size=1, max_size=10, unique=True).map(tuple)
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(tuple)
changes = st.builds(
    Change,
    kind=st.sampled_from(("text", "vectors", "both", "both", "remove", "remove_vectors")),
    keys=keys,
    words=words,
    seed=st.integers(0, len(VECTORS) - 1),
)


@st.composite
def queries(draw: st.DrawFn) -> IndexQuery:
    terms = draw(st.lists(words.map(" ".join), min_size=1, max_size=3, unique=True))
    rows = [draw(st.integers(0, len(VECTORS) - 1)) for _ in terms]
    documents = st.lists(st.integers(1, PASSAGES // 3 + 1), max_size=5).map(tuple)
    return IndexQuery(
        collection_keys=tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))),
        terms=tuple(terms),
        vectors=_unit(VECTORS[rows]) if draw(st.booleans()) else None,
        limit=draw(st.integers(1, 50)),
        minimum_similarity=draw(st.sampled_from((-1.0, 0.0, 0.2))),
        document_keys=draw(st.none() | documents),
        withheld=draw(st.just(()) | documents),
    )


def _entry(key: int, text: str) -> IndexEntry:
    # Three passages a document; a document is in one collection.
    document = (key + 2) // 3
    return IndexEntry(key, document % 3 + 1, document, text)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _apply(change: Change, index: ReferenceIndex) -> None:
    entries = [_entry(key, " ".join(change.words)) for key in change.keys]
    vectors = _unit(VECTORS[[(change.seed + key) % len(VECTORS) for key in change.keys]])
    if change.kind in ("text", "both"):
        index.add_text(entries)
    if change.kind in ("vectors", "both"):
        index.add_vectors(entries, vectors)
    if change.kind == "remove":
        index.remove(entries)
    if change.kind == "remove_vectors":
        index.remove_vectors(entries[0].collection_key)


@pytest.mark.parametrize("bounds", [{}, {"exact_rows": 0, "rescored": PASSAGES}], ids=["exact", "by codes"])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(history=st.lists(changes, max_size=8), asked=st.lists(queries(), min_size=1, max_size=4))
def test_search_finds_exactly_what_the_reference_finds(
    indexed: IndexedDatabase, bounds: dict[str, int], history: list[Change], asked: list[IndexQuery]
) -> None:
    index = indexed.make(**bounds)
    reference = ReferenceIndex()
    with indexed.transaction(keep=False) as connection:
        index.prepare(connection, DIMENSIONS)
        bound = _Bound(index, connection)
        for change in history:
            _apply(change, reference)
            _apply(change, bound)
        for query in asked:
            for fuse in ("vector", "keyword", "hybrid"):
                _compare(reference, bound, replace(query, fuse=fuse))


class _Bound(ReferenceIndex):
    """The real index with its connection, under the reference's calls."""

    def __init__(self, index, connection) -> None:
        self.index, self.connection = index, connection

    def add_text(self, entries: Sequence[IndexEntry]) -> None:
        self.index.add_text(self.connection, entries)

    def add_vectors(self, entries: Sequence[IndexEntry], vectors: NDArray[np.float32]) -> None:
        self.index.add_vectors(self.connection, entries, vectors)

    def remove(self, entries: Sequence[IndexEntry]) -> None:
        self.index.remove(self.connection, entries)

    def remove_vectors(self, collection_key: int) -> None:
        self.index.remove_vectors(self.connection, collection_key)


def _compare(reference: ReferenceIndex, bound: _Bound, query: IndexQuery) -> None:
    hits = bound.index.search(bound.connection, query)
    found = [hit.passage_key for hit in hits]
    near, worded = reference.by_meaning(query), reference.by_words(query)
    allowed = {"vector": set(near), "keyword": worded, "hybrid": worded | set(near)}[query.fuse]

    assert len(found) == len(set(found)) == min(query.limit, len(allowed))
    assert set(found) <= allowed
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.similarity == pytest.approx(reference.similarity(hit.passage_key, query), abs=1e-5)
    if query.fuse == "vector":
        best = sorted(near.values(), reverse=True)[: query.limit]
        assert [hit.similarity for hit in hits] == pytest.approx(best, abs=1e-5)
