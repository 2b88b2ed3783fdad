"""Semantic search over collections."""

from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax import encode
from dragoman.dialects.aivax.auth import AnyCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Choice, Items, Member, Number, Record, Switch, Text, Uuid, Whole
from dragoman.dialects.aivax.words import RERANKERS
from dragoman.domain.knowledge.retrieve import RetrievalQuery
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_TERM = Text(1, 20_000)
QUERY = Record(
    {
        "terms": Member(Items(_TERM, minimum=1, maximum=100)),
        "term": Member(_TERM),
        "collections": Member(Items(Uuid(), minimum=1, maximum=100, unique=True), required=True),
        "top": Member(Whole(1, 128), default=5),
        "minScore": Member(Number(0.01, 0.99), default=0.2),
        "includeReferences": Member(Switch(), default=False),
        "reranker": Member(Choice(RERANKERS), default="rrf"),
    }
)


def _terms(values: dict[str, Any]) -> tuple[str, ...]:
    terms = [*values.get("terms", ()), *([values["term"]] if "term" in values else ())]
    if not terms:
        raise InvalidInput("terms is required: a list of texts, or term with one text.", param="terms")
    return tuple(dict.fromkeys(terms))


@router.post("/query", openapi_extra=json_content(QUERY))
async def semantic_search(request: Request, caller: AnyCaller) -> Response:
    """The best documents for any of the terms, best first, each once with its best passage.

    Source: AIVAX API, "Semantic search".
    """
    values: dict[str, Any] = await read_body(request, QUERY)
    query = RetrievalQuery(
        terms=_terms(values),
        collection_ids=tuple(values["collections"]),
        limit=values["top"],
        minimum_similarity=values["minScore"],
        rerank=values["reranker"],
        one_per_document=True,
    )
    retriever = services_of(request).retriever
    retrieval = await retriever.retrieve(caller, query)
    results: list[JsonValue] = []
    for hit in retrieval.hits:
        if hit.score >= values["minScore"]:
            siblings = await retriever.siblings(caller, hit) if values["includeReferences"] else []
            results.append(encode.found(hit, siblings))
    return answer(request, results)
