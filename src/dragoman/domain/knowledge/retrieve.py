"""Retrieval: from questions to the passages that answer them, only ever inside what the caller may see."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import Embedder, Reranker, Vectors
from dragoman.domain.inference.rerank import fused_order
from dragoman.domain.knowledge.model import Collection, Document, StoredPassage
from dragoman.domain.knowledge.ports import IndexHit, IndexQuery, PassageIndex
from dragoman.domain.knowledge.repository import access, collections, documents, reembeddings
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.messages.citations import Citation
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

RerankMode = Literal["none", "rrf", "lexical", "smart"]
StageTold: TypeAlias = Callable[[str, float], None]
_RERANK_DEPTH = 20
_REFERENCE_CAP = 20


@dataclass(frozen=True, slots=True)
class RetrievalQuery:
    """What to look for. ``collection_ids`` None = everything the caller may see.

    ``rerank``: ``none`` = by meaning alone, ``rrf`` = words and meaning fused, ``lexical`` = fused with more weight on words,
    ``smart`` = fused with a cross-encoder's order. ``one_per_document`` keeps only the best passage of each document.
    ``skip_missing`` searches what there is of the named collections. ``inside_only``: the terms go to no embedder outside.
    """

    terms: tuple[str, ...]
    collection_ids: tuple[str, ...] | None
    limit: int = 5
    minimum_similarity: float = 0.0
    rerank: RerankMode = "rrf"
    one_per_document: bool = False
    skip_missing: bool = False
    inside_only: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found. ``score`` falls along the list and is never below the similarity asked for, except for word-only hits.

    ``rank_score`` is what the index ordered by.
    """

    passage: StoredPassage
    document: Document
    collection: Collection
    score: float
    rank_score: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found, and which stages could not take part."""

    hits: tuple[Hit, ...]
    embedding_down: bool = False
    vectors_down: bool = False

    def citations(self) -> tuple[Citation, ...]:
        """The hits as numbered references, in order."""
        return tuple(citation_of(number, hit) for number, hit in enumerate(self.hits, 1))


def citation_of(number: int, hit: Hit) -> Citation:
    """The hit as the reference of that number."""
    passage, document = hit.passage, hit.document
    return Citation(
        number=number,
        collection_id=hit.collection.id,
        document_id=document.id,
        document_name=document.name,
        passage_id=f"{document.id}:{passage.ordinal}",
        text=passage.text,
        char_start=passage.char_start,
        char_end=passage.char_end,
        page=passage.page,
        heading_path=passage.heading_path,
        score=hit.score,
        metadata=document.metadata,
        reference=document.reference,
        context=document.context,
        label=hit.collection.label,
    )


class Retriever:
    """Searches the collections of a caller.

    Args:
        told: is given each stage of a search and the seconds it took.
    """

    def __init__(
        self,
        *,
        database: Database,
        index: PassageIndex,
        embed: EmbedService,
        reranker: Reranker | None,
        told: StageTold | None = None,
    ) -> None:
        self._database = database
        self._index = index
        self._embed = embed
        self._reranker = reranker
        self._told = told

    async def retrieve(self, caller: Caller, query: RetrievalQuery) -> Retrieval:
        """The best passages, best first.

        Raises:
            NotFound: a named collection does not exist for this caller, and the query does not skip such.
            Forbidden: what was found bears a label and may not be used where this takes place.
        """
        handling = current_handling()
        with self._timed("collections"):
            found = await self._database.read(self._collections, caller, query)
        if not found or not any(term.strip() for term in query.terms):
            return Retrieval(())
        inside = query.inside_only or (handling is not None and handling.forbids("outside"))
        legs, embedding_down = await self._legs(found, query.terms, inside=inside)
        made = {collection.embedder for collection in found if collection.embedder is not None}
        stale = self._embed.available and any(self._embed.made_by(one) is None for one in made)
        with self._timed("search"):
            hits = await self._search(caller, found, query, legs)
        if query.rerank == "smart":
            with self._timed("rerank"):
                hits = await self._reranked(query, hits)
        if handling is not None:
            for hit in hits[: query.limit]:
                label, name = hit.collection.label, hit.collection.name
                await handling.take(caller, [label], f"the collection {name!r}")
        return Retrieval(tuple(hits[: query.limit]), embedding_down, stale)

    @contextmanager
    def _timed(self, stage: str) -> Generator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            if self._told is not None:
                self._told(stage, time.perf_counter() - started)

    async def siblings(self, caller: Caller, hit: Hit) -> list[tuple[Document, str]]:
        """Other documents of the hit's collection that share its reference, with their texts; at most 20."""
        reference = hit.document.reference
        if not reference:
            return []

        def load(connection: Connection) -> list[tuple[Document, str]]:
            collection = collections.get(connection, caller, hit.collection.id)
            found = documents.siblings(
                connection, caller, collection.key, reference, limit=_REFERENCE_CAP + 1
            )
            others = [document for document in found if document.key != hit.document.key][:_REFERENCE_CAP]
            return [(document, documents.text(connection, document.key)) for document in others]

        return await self._database.read(load)

    @staticmethod
    def _collections(connection: Connection, caller: Caller, query: RetrievalQuery) -> list[Collection]:
        if query.collection_ids is None:
            return collections.visible(connection, caller)
        named = dict.fromkeys(query.collection_ids)
        if query.skip_missing:
            found = collections.among(connection, caller, tuple(named))
            if len(found) < len(named):
                log.warning(
                    "retrieve.collections_missing", missing=len(named) - len(found), named=list(named)
                )
            return found
        return [collections.get(connection, caller, collection_id) for collection_id in named]

    async def _legs(
        self, found: Sequence[Collection], terms: Sequence[str], *, inside: bool
    ) -> tuple[list["_Leg"], bool]:
        """The searches that the collections need, one for each embedder that has made their vectors.

        Collections without such take part in the first, by their words: nobody's vectors of theirs are in its space.
        """
        legs: list[_Leg] = []
        down, by_words = False, list[int]()
        for fingerprint in dict.fromkeys(collection.embedder for collection in found):
            keys = [collection.key for collection in found if collection.embedder == fingerprint]
            embedder = None if fingerprint is None else self._embed.made_by(fingerprint)
            vectors = None
            if embedder is not None and not (inside and embedder.profile.outside):
                with self._timed("embed"):
                    vectors = await _vectors(embedder, terms)
                down = down or vectors is None
            if vectors is None:
                by_words += keys
            else:
                legs.append(_Leg(keys, fingerprint, vectors))
        if by_words and not legs:
            legs.append(_Leg([], None, None))
        legs[0].keys.extend(by_words)
        return legs, down

    async def _search(
        self, caller: Caller, found: Sequence[Collection], query: RetrievalQuery, legs: Sequence["_Leg"]
    ) -> list[Hit]:
        by_key = {collection.key: collection for collection in found}

        def load(connection: Connection) -> list[Hit]:
            hidden = access.withheld(connection, caller, list(by_key))
            searches = (replace(leg.query(connection, query), withheld=hidden) for leg in legs)
            ranked = _interleaved([self._index.search(connection, one) for one in searches])
            passages = documents.passages_by_keys(connection, [hit.passage_key for hit in ranked])
            owners = documents.by_keys(connection, {passage.document_key for passage in passages.values()})
            return _assemble(ranked, passages, owners, by_key, one_per_document=query.one_per_document)

        return await self._database.read(load)

    async def _reranked(self, query: RetrievalQuery, hits: list[Hit]) -> list[Hit]:
        if self._reranker is None or len(hits) < 2:
            return hits
        head = hits[:_RERANK_DEPTH]
        scores = await self._reranker.score(" ".join(query.terms), [hit.passage.text for hit in head])
        fused = fused_order([hit.rank_score for hit in head], scores)
        return _falling([head[position] for position in fused]) + hits[_RERANK_DEPTH:]


@dataclass(frozen=True, slots=True)
class _Leg:
    """One search: the collections, and the question by the embedder that made their vectors."""

    keys: list[int]
    fingerprint: str | None
    vectors: Vectors | None

    def query(self, connection: Connection, query: RetrievalQuery) -> IndexQuery:
        space = None if self.fingerprint is None else reembeddings.space(connection, self.fingerprint)
        vectors = None if space is None else self.vectors
        return IndexQuery(
            collection_keys=tuple(sorted(self.keys)),
            terms=query.terms,
            vectors=vectors,
            limit=max(query.limit * (4 if query.one_per_document else 1), _RERANK_DEPTH),
            minimum_similarity=query.minimum_similarity,
            fuse="keyword" if vectors is None else "vector" if query.rerank == "none" else "hybrid",
            space=space or 0,
        )


async def _vectors(embedder: Embedder, terms: Sequence[str]) -> Vectors | None:
    try:
        return await embedder.embed_queries(terms)
    except DragomanError as error:
        # Words alone still answer most questions; the caller is told that meaning took no part.
        log.warning("retrieve.embedding_down", reason=error.detail)
        return None


def _interleaved(ranked: Sequence[Sequence[IndexHit]]) -> list[IndexHit]:
    """One list out of several whose scores cannot be compared: the best of each, the second of each, and so on."""
    if len(ranked) == 1:
        return list(ranked[0])
    placed = [(place, hit) for hits in ranked for place, hit in enumerate(hits)]
    placed.sort(key=lambda pair: pair[0])
    return [replace(hit, score=1 / (1 + place)) for place, hit in placed]


def _assemble(
    ranked: Sequence[IndexHit],
    passages: dict[int, StoredPassage],
    owners: dict[int, Document],
    by_key: dict[int, Collection],
    *,
    one_per_document: bool,
) -> list[Hit]:
    best_word_score = max((hit.score for hit in ranked), default=0.0) or 1.0
    hits: list[Hit] = []
    seen: set[int] = set()
    for found in ranked:
        passage = passages.get(found.passage_key)
        document = owners.get(passage.document_key) if passage else None
        if passage is None or document is None or (one_per_document and document.key in seen):
            continue
        seen.add(document.key)
        score = found.similarity if found.similarity is not None else found.score / best_word_score
        hits.append(Hit(passage, document, by_key[passage.collection_key], score, found.score))
    return _falling(hits)


def _falling(hits: Sequence[Hit]) -> list[Hit]:
    """The same order with scores that fall along it: each is the best score from there on."""
    result: list[Hit] = []
    best = 0.0
    for hit in reversed(hits):
        best = max(best, hit.score)
        result.append(replace(hit, score=min(1.0, best)))
    return result[::-1]
