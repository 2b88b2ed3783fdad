"""What both passage indexes promise beyond finding the right passages."""

import threading

import numpy as np
import pytest
from indexed_database import IndexedDatabase
from numpy.typing import NDArray

from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery
from dragoman.kit.errors import InvalidInput

HOSTILE = (
    '"',
    '""" AND text:"',
    "collection:c2 OR text:*",
    "NEAR(basil cobalt, 2)",
    "basil NOT cobalt",
    "(((basil",
    "basil)))",
    "basil* ^basil {a b}: -x +y",
    "'basil' & !cobalt | (<-> :*",
    "\\' \\",
    "a\x00b basil",
    "\ud800 basil",
    "🎉🔥",
    "²½ Ⅷ ⒈",
    "%(limit)s :limit ? $1 {words}",
    "'; drop table passage_words; --",
    "basil " * 1_700,
    "x" * 10_000,
    " ".join(f"w{number}" for number in range(2_000)),
    "",
    "   \n\t",
)


def _ask(*terms: str, collections: tuple[int, ...] = (1,), **more: object) -> IndexQuery:
    settings: dict[str, object] = {"vectors": None, "limit": 10, **more}
    return IndexQuery(collection_keys=collections, terms=terms, **settings)  # type: ignore[arg-type]


def _search(indexed: IndexedDatabase, query: IndexQuery, **bounds: int) -> list[IndexHit]:
    with indexed.transaction(keep=False) as connection:
        return indexed.make(**bounds).search(connection, query)


def _keys(indexed: IndexedDatabase, query: IndexQuery, **bounds: int) -> list[int]:
    return [hit.passage_key for hit in _search(indexed, query, **bounds)]


def _fill(indexed: IndexedDatabase, *texts: str, collection: int = 1, first: int = 1) -> list[IndexEntry]:
    entries = [
        IndexEntry(first + at, collection, 10 * collection + at, text) for at, text in enumerate(texts)
    ]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 0)
        index.add_text(connection, entries)
    return entries


def _vectors(rows: int, dimensions: int, seed: int = 1) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_no_text_breaks_the_query_or_reaches_another_collection(indexed: IndexedDatabase) -> None:
    _fill(indexed, "basil and cobalt", *HOSTILE)
    _fill(indexed, "basil c1 1q limit words", "cobalt", *HOSTILE, collection=2, first=100)
    here = range(1, len(HOSTILE) + 2)

    for term in HOSTILE:
        alone = _keys(indexed, _ask(term, limit=100))
        together = _keys(indexed, _ask(term, "basil", limit=100))
        assert set(alone) <= set(together) <= set(here), term
        assert 1 in together, term
    assert _keys(indexed, _ask("🎉🔥")) == []


def test_an_empty_index_finds_nothing(indexed: IndexedDatabase) -> None:
    with indexed.transaction() as connection:
        indexed.make().prepare(connection, 8)
    for fuse in ("hybrid", "vector", "keyword"):
        assert _keys(indexed, _ask("basil", vectors=_vectors(1, 8), fuse=fuse)) == []


def test_vectors_of_a_length_never_prepared_leave_the_words(indexed: IndexedDatabase) -> None:
    _fill(indexed, "basil", "cobalt")
    assert _search(indexed, _ask("basil", vectors=_vectors(1, 12)))[0].passage_key == 1
    assert _keys(indexed, _ask("basil", vectors=_vectors(1, 12), fuse="vector")) == []


def test_vectors_of_two_lengths_live_side_by_side(indexed: IndexedDatabase) -> None:
    entries = _fill(indexed, "basil", "cobalt")
    with indexed.transaction() as connection:
        index = indexed.make()
        for dimensions in (8, 100):
            index.prepare(connection, dimensions)
        index.add_vectors(connection, entries[:1], _vectors(1, 8))
        index.add_vectors(connection, entries[1:], _vectors(1, 100))
    assert _keys(indexed, _ask("x", vectors=_vectors(1, 8), fuse="vector")) == [1]
    assert _keys(indexed, _ask("x", vectors=_vectors(1, 100), fuse="vector")) == [2]

    with indexed.transaction() as connection:
        indexed.make().add_vectors(connection, entries[:1], _vectors(1, 100))
    assert _keys(indexed, _ask("x", vectors=_vectors(1, 8), fuse="vector")) == []


def test_a_vector_of_zeros_is_like_nothing(indexed: IndexedDatabase) -> None:
    entries = _fill(indexed, "basil")
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 8)
        index.add_vectors(connection, entries, np.zeros((1, 8), np.float32))
    assert _search(indexed, _ask("basil", vectors=_vectors(1, 8)))[0].similarity == 0
    assert _keys(indexed, _ask("basil", vectors=_vectors(1, 8), minimum_similarity=0.1)) == []


def test_a_rolled_back_change_leaves_no_trace(indexed: IndexedDatabase) -> None:
    entries = _fill(indexed, "basil", "cobalt")
    with indexed.transaction(keep=False) as connection:
        index = indexed.make()
        index.remove(connection, entries[:1])
        index.add_text(connection, [IndexEntry(3, 1, 13, "basil")])
    assert _keys(indexed, _ask("basil")) == [1]


def test_the_rarer_word_counts_for_more(indexed: IndexedDatabase) -> None:
    _fill(indexed, "gravel harbor", "gravel drum", "gravel basil", "gravel fjord")
    hits = _search(indexed, _ask("gravel drum", fuse="keyword"))
    assert hits[0].passage_key == 2
    assert hits[0].score > 2 * hits[1].score


def test_the_word_said_more_often_in_the_shorter_text_counts_for_more(indexed: IndexedDatabase) -> None:
    _fill(indexed, "basil cobalt drum", "basil basil drum", "basil " + "lantern " * 40, "anchor fjord")
    assert _keys(indexed, _ask("basil", fuse="keyword")) == [2, 1, 3]


def test_a_word_common_elsewhere_is_still_rare_here(indexed: IndexedDatabase) -> None:
    _fill(indexed, "drum harbor", "basil fjord", "basil gravel", "basil anchor")
    _fill(indexed, *["drum drum lantern"] * 60, collection=2, first=100)
    assert _keys(indexed, _ask("drum basil", fuse="keyword"))[0] == 1


def test_removed_and_rewritten_passages_no_longer_make_a_word_common(indexed: IndexedDatabase) -> None:
    _fill(indexed, "drum harbor", "basil fjord", "basil gravel", "basil anchor")
    removed = _fill(indexed, *["drum lantern"] * 30, first=100)
    _fill(indexed, *["drum lantern"] * 30, first=200)
    assert _keys(indexed, _ask("drum basil", fuse="keyword"))[0] != 1
    with indexed.transaction() as connection:
        indexed.make().remove(connection, removed)
    _fill(indexed, *["lantern"] * 30, first=200)
    assert _keys(indexed, _ask("drum basil", fuse="keyword"))[0] == 1


def test_removed_vectors_take_no_place_among_the_candidates(indexed: IndexedDatabase) -> None:
    question = _vectors(1, 64)
    near = question + 0.05 * _vectors(300, 64, seed=2)
    rows = np.concatenate([near, _vectors(5, 64, seed=3)]).astype(np.float32)
    entries = [IndexEntry(key + 1, 1, 1, "basil") for key in range(len(rows))]
    query = _ask("x", vectors=question, fuse="vector", limit=5, minimum_similarity=-1.0)
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 64)
        index.add_vectors(connection, entries, rows)
        index.remove(connection, entries[:200])
        index.add_vectors(connection, entries[200:300], -rows[200:300])
    assert sorted(_keys(indexed, query, exact_rows=0, rescored=5)) == [301, 302, 303, 304, 305]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("She was running late", "runs"),
        ("Fish & chips, e-mail: x@y.org", "EMAILS e mail"),
        ("Ein Café in Zürich", "cafe zurich"),
        ("東京都は日本の首都です", "東京"),
        ("我喜欢喝茶", "茶"),
        ("ภาษาไทยไม่เว้นวรรค", "ไทย"),
        ("हिन्दी में लिखा पाठ", "हिन्दी"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "width"),
        ("to be or not to be", "to be or not"),
        ("year 2024 y2k", "2024"),
    ],
)
def test_words_are_found_in_other_forms_and_scripts(
    indexed: IndexedDatabase, text: str, question: str
) -> None:
    _fill(indexed, "something else entirely", text)
    assert _keys(indexed, _ask(question)) == [2]


def test_function_words_do_not_count_beside_others(indexed: IndexedDatabase) -> None:
    _fill(indexed, "what is the and of", "cobalt")
    assert _keys(indexed, _ask("what is the cobalt")) == [2]


def test_filters_of_any_length_are_applied_before_the_limit(indexed: IndexedDatabase) -> None:
    entries = [IndexEntry(key, 1, key, "basil") for key in range(1, 401)]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 16)
        index.add_text(connection, entries)
        index.add_vectors(connection, entries, _vectors(400, 16))
    for wanted in ((399,), tuple(range(301, 401))):
        for bounds in ({}, {"exact_rows": 10, "rescored": 50}):
            for fuse in ("hybrid", "vector", "keyword"):
                query = _ask(
                    "basil",
                    vectors=_vectors(1, 16),
                    fuse=fuse,
                    limit=100,
                    minimum_similarity=-1.0,
                    document_keys=wanted,
                )
                assert sorted(_keys(indexed, query, **bounds)) == list(wanted)[:100]


def test_many_collections_are_searched_at_once(indexed: IndexedDatabase) -> None:
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 0)
        index.add_text(connection, [IndexEntry(key, key, key, "basil drum") for key in range(1, 701)])
    query = _ask("basil fjord", collections=tuple(range(2, 700)), limit=1_000)
    assert sorted(_keys(indexed, query)) == list(range(2, 700))


def test_common_words_are_left_out_only_where_rarer_ones_pick(indexed: IndexedDatabase) -> None:
    _fill(indexed, *["basil"] * 30, "basil drum", "drum cobalt")
    assert _keys(indexed, _ask("basil drum"), scored_rows=5)[0] == 31
    assert len(_keys(indexed, _ask("basil"), scored_rows=5)) == 10


def test_too_many_terms_are_refused(indexed: IndexedDatabase) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        _search(indexed, _ask(*(f"w{number}" for number in range(101))))


def test_codes_find_nearly_all_of_the_nearest(indexed: IndexedDatabase) -> None:
    centres = _vectors(100, 96, seed=2)
    rows = np.repeat(centres, 30, axis=0) + 0.07 * _vectors(3_000, 96, seed=3) * np.sqrt(96)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    entries = [IndexEntry(key + 1, 1, key // 10 + 1, "basil") for key in range(len(rows))]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 96)
        index.add_vectors(connection, entries, rows)
    found = 0
    questions = _vectors(20, 96, seed=4) * 0.5 + rows[:: len(rows) // 20][:20]
    for question in questions:
        exact = set((np.argsort(-(rows @ question))[:10] + 1).tolist())
        query = _ask("x", vectors=question[None, :], fuse="vector", minimum_similarity=-1.0)
        found += len(exact & set(_keys(indexed, query, exact_rows=500, rescored=200)))
    assert found >= 190


def test_preparing_at_the_same_time_is_harmless(indexed: IndexedDatabase) -> None:
    _in_threads(lambda number: _prepare(indexed), 4)
    _fill(indexed, "basil")
    assert _keys(indexed, _ask("basil")) == [1]


def _prepare(indexed: IndexedDatabase) -> None:
    with indexed.transaction() as connection:
        indexed.make().prepare(connection, 8)


@pytest.mark.postgres
def test_writers_of_one_collection_count_its_words_right(indexed: IndexedDatabase) -> None:
    if indexed.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    _fill(indexed, "anchor")

    def write(number: int) -> None:
        words = ["basil", "cobalt", "drum", "fjord"]
        for turn in range(5):
            key = 100 * number + turn
            text = " ".join(words if number % 2 else reversed(words))
            with indexed.transaction() as connection:
                indexed.make().add_text(connection, [IndexEntry(key, 1, key, text)])

    _in_threads(write, 4)
    with indexed.transaction() as connection:
        counted = connection.exec_driver_sql("select lexeme, passages from passage_terms order by 1").all()
    expected = {"1qanchor": 1, "1qbasil": 20, "1qcobalt": 20, "1qdrum": 20, "1qfjord": 20}
    assert {row.lexeme: row.passages for row in counted} == expected


def _in_threads(work, count: int) -> None:
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, count + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors, errors
