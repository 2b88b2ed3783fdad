"""Semantic search."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aivax_server import Dialect

TEXTS = {
    "paris": "Paris is the capital of France and lies on the Seine.",
    "rome": "Rome is the capital of Italy and lies on the Tiber.",
    "bread": "Bread needs flour, water, salt and yeast.",
    "oven": "An oven must be hot before anything is baked in it.",
}
REFS = {"paris": "europe", "rome": "europe"}


@pytest.fixture
async def filled(dialect: Dialect, collection: str, upload: Callable[..., Awaitable[httpx.Response]]) -> str:
    rows = [{"docid": name, "text": text, "__ref": REFS.get(name)} for name, text in TEXTS.items()]
    await upload(collection, b"\n".join(json.dumps(row).encode() for row in rows))
    await dialect.settled(collection)
    return collection


async def search(dialect: Dialect, collection: str, **body: Any) -> list[dict[str, Any]]:
    response = await dialect.client.post("/api/v1/query", json={"collections": [collection], **body})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("reranker", ["none", "rrf", "LEXICAL", "smart"])
async def test_the_exact_phrase_comes_first_and_scores_fall(
    dialect: Dialect, filled: str, reranker: str
) -> None:
    found = await search(dialect, filled, terms=[TEXTS["bread"]], reranker=reranker, top=10, minScore=0.05)
    assert found[0]["documentName"] == "bread"
    assert found[0]["documentContent"] == TEXTS["bread"]
    assert found[0]["collectionId"] == filled
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(score >= 0.05 for score in scores)
    assert len({one["documentId"] for one in found}) == len(found)


async def test_top_bounds_the_number_of_results(dialect: Dialect, filled: str) -> None:
    assert len(await search(dialect, filled, term="capital of", top=1, minScore=0.01)) == 1


async def test_a_high_minimum_score_keeps_the_rest_out(dialect: Dialect, filled: str) -> None:
    found = await search(dialect, filled, term=TEXTS["oven"], minScore=0.95)
    assert [one["documentName"] for one in found] == ["oven"]


async def test_two_terms_find_the_union(dialect: Dialect, filled: str) -> None:
    found = await search(dialect, filled, terms=[TEXTS["oven"], TEXTS["bread"]], minScore=0.8)
    assert {one["documentName"] for one in found} == {"oven", "bread"}


async def test_references_list_the_siblings_and_never_the_document_itself(
    dialect: Dialect, filled: str
) -> None:
    (hit,) = await search(dialect, filled, term=TEXTS["paris"], top=1, includeReferences=True)
    assert [one["documentContent"] for one in hit["referencedDocuments"]] == [TEXTS["rome"]]
    (hit,) = await search(dialect, filled, term=TEXTS["paris"], top=1)
    assert hit["referencedDocuments"] == []


async def test_unknown_and_foreign_collections_are_404(dialect: Dialect, filled: str) -> None:
    body = {"term": "x", "collections": [filled]}
    assert (await dialect.stranger.post("/api/v1/query", json=body)).status_code == 404
    body["collections"] = ["01986000-0000-7000-8000-000000000000", filled]
    assert (await dialect.client.post("/api/v1/query", json=body)).status_code == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"collections": None}, "collections"),
        ({"collections": []}, "collections"),
        ({"collections": ["x"]}, "collections[0]"),
        ({"terms": []}, "terms"),
        ({"terms": None}, "terms"),
        ({"terms": ["a", 1]}, "terms[1]"),
        ({"terms": ["  "]}, "terms[0]"),
        ({"top": 0}, "top"),
        ({"top": 129}, "top"),
        ({"top": 2.5}, "top"),
        ({"minScore": 0}, "minScore"),
        ({"minScore": 1}, "minScore"),
        ({"minScore": "0.5"}, "minScore"),
        ({"includeReferences": 1}, "includeReferences"),
        ({"reranker": "best"}, "reranker"),
    ],
)
async def test_a_query_that_does_not_fit_names_the_field(
    dialect: Dialect, filled: str, body: dict[str, Any], path: str
) -> None:
    response = await dialect.client.post(
        "/api/v1/query", json={"terms": ["x"], "collections": [filled], **body}
    )
    assert response.status_code == 400
    assert response.json()["details"]["path"] == path


async def test_a_query_without_any_term_is_refused(dialect: Dialect, filled: str) -> None:
    response = await dialect.client.post("/api/v1/query", json={"collections": [filled]})
    assert response.status_code == 400
    assert response.json()["details"]["path"] == "terms"


async def test_a_word_of_one_of_many_like_documents_leads_to_it(
    dialect: Dialect, collection: str, upload: Callable[..., Awaitable[httpx.Response]]
) -> None:
    dust = " It stands on a shelf beside the others and is dusted once a month."
    rows = [
        {
            "docid": f"text{number}",
            "text": f"The mark of this text is zorba{number:05d}.{dust * (number % 8 or 20)}",
        }
        for number in range(1, 25)
    ]
    await upload(collection, b"\n".join(json.dumps(row).encode() for row in rows))
    await dialect.settled(collection)
    for number in (8, 21):
        asked = (f"zorba{number:05d}", f"Which shelf does the text with the mark zorba{number:05d} stand on?")
        for term in asked:
            found = await search(dialect, collection, term=term, top=128, minScore=0.01)
            assert found[0]["documentName"] == f"text{number}", term
