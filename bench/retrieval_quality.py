"""Measures how well the passage index answers, on collections with judged questions.

    python bench/retrieval_quality.py DATA_DIR [DATA_DIR ...] [--rerank 60]

A folder holds ``corpus.jsonl`` (id, title, text), ``queries.jsonl`` (id, text) and ``qrels.tsv`` (query,
document, grade, with a heading). Fails unless hybrid search is at least as good as the better of words and
meaning alone, by nDCG@10, on every folder. Vectors are kept in a temporary folder by the embedder's
fingerprint and the text.
"""

import argparse
import asyncio
import hashlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dragoman.adapters.embedders.local import LocalEmbedder
from dragoman.adapters.rerankers.local import LocalReranker
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.sqlite import SqliteDatabase
from dragoman.domain.inference.ports import Embedder, Reranker
from dragoman.domain.inference.rerank import fused_order
from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery
from dragoman.kit.processes import ChildPool
from dragoman.kit.weights import default_folder

CHECKOUT = Path(__file__).resolve().parent.parent
CUT = 10
RERANK_DEPTH = 20
EMBED_BATCH = 256
ROUNDING = 1e-9

Leg = Literal["keyword", "vector", "hybrid"]
LEGS: tuple[Leg, ...] = ("keyword", "vector", "hybrid")


@dataclass(frozen=True, slots=True)
class Collection:
    """Texts, questions and which texts answer which question, by position; grades above 0 are relevant."""

    name: str
    texts: list[str]
    questions: list[str]
    grades: list[dict[int, int]]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the questions."""

    ndcg: float
    recall: float
    mrr: float

    def __str__(self) -> str:
        return f"nDCG@10 {self.ndcg:.4f}  R@10 {self.recall:.4f}  MRR {self.mrr:.4f}"


def load(folder: Path) -> Collection:
    """The collection in a folder; questions without a relevant text are left out."""
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    at = {document["id"]: position for position, document in enumerate(corpus)}
    judged: dict[str, dict[int, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        if line.strip():
            question, document, grade = line.split("\t")
            if document in at and int(grade) > 0:
                judged.setdefault(question, {})[at[document]] = int(grade)
    asked = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    asked = [question for question in asked if question["id"] in judged]
    return Collection(
        folder.name,
        [titled(document) for document in corpus],
        [question["text"] for question in asked],
        [judged[question["id"]] for question in asked],
    )


def titled(document: dict[str, str]) -> str:
    """The text with its title before it, once."""
    title, text = document.get("title", "").replace("_", " ").strip(), document["text"]
    return text if not title or text.startswith(title) else f"{title}\n{text}"


def quality(rankings: Sequence[Sequence[int]], grades: Sequence[dict[int, int]]) -> Quality:
    """How good the rankings are."""
    ndcg, recall, mrr = [], [], []
    for ranking, relevant in zip(rankings, grades, strict=True):
        top = list(ranking[:CUT])
        gains = [relevant.get(position, 0) / math.log2(rank + 2) for rank, position in enumerate(top)]
        best = sorted(relevant.values(), reverse=True)[:CUT]
        ndcg.append(sum(gains) / sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best)))
        recall.append(len(relevant.keys() & set(top)) / len(relevant))
        mrr.append(next((1 / (rank + 1) for rank, position in enumerate(top) if position in relevant), 0.0))
    return Quality(float(np.mean(ndcg)), float(np.mean(recall)), float(np.mean(mrr)))


class Vectors:
    """Vectors of texts, made once and kept in a folder."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        self._folder = folder

    async def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of passages."""
        return await self._kept("passages", texts)

    async def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of questions."""
        return await self._kept("queries", texts)

    async def _kept(self, kind: str, texts: Sequence[str]) -> NDArray[np.float32]:
        facts = json.dumps([self._embedder.profile.fingerprint, kind, list(texts)])
        path = self._folder / f"{hashlib.sha256(facts.encode()).hexdigest()}.npy"
        if path.exists():
            return np.load(path)
        make = self._embedder.embed_documents if kind == "passages" else self._embedder.embed_queries
        started = time.perf_counter()
        parts = [
            await make(texts[start : start + EMBED_BATCH]) for start in range(0, len(texts), EMBED_BATCH)
        ]
        rate = len(texts) / (time.perf_counter() - started)
        print(f"  embedded {len(texts)} {kind}, {rate:.1f} a second")
        vectors = np.concatenate(parts)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.npy")
        np.save(part, vectors)
        part.replace(path)
        return vectors


class Measurement:
    """One collection in an index of its own."""

    def __init__(self, collection: Collection, database: SqliteDatabase, vectors: Vectors) -> None:
        self._collection = collection
        self._database = database
        self._vectors = vectors
        self._index = SqliteIndex()

    async def build(self) -> None:
        """Indexes the texts; a passage's key is its position + 1."""
        vectors = await self._vectors.passages(self._collection.texts)
        entries = [
            IndexEntry(position + 1, 1, position + 1, text)
            for position, text in enumerate(self._collection.texts)
        ]
        await self._database.write(self._index.prepare, vectors.shape[1])
        await self._database.write(self._index.add_text, entries)
        await self._database.write(self._index.add_vectors, entries, vectors)

    async def found(self, leg: Leg) -> list[list[IndexHit]]:
        """What each question finds."""
        vectors = await self._vectors.queries(self._collection.questions)
        return [
            await self._database.read(
                self._index.search,
                IndexQuery(
                    (1,), (question,), None if leg == "keyword" else vector[None, :], RERANK_DEPTH, fuse=leg
                ),
            )
            for question, vector in zip(self._collection.questions, vectors, strict=True)
        ]

    async def reranked(
        self, reranker: Reranker, hits: Sequence[list[IndexHit]], picked: Sequence[int]
    ) -> list[list[int]]:
        """The rankings of the picked questions after the reranker has been heard."""
        rankings: list[list[int]] = []
        for position in picked:
            keys = [hit.passage_key - 1 for hit in hits[position]]
            scores = await reranker.score(
                self._collection.questions[position], [self._collection.texts[key] for key in keys]
            )
            order = fused_order([hit.score for hit in hits[position]], scores)
            rankings.append([keys[place] for place in order])
        return rankings


def ranking_of(hits: Sequence[IndexHit]) -> list[int]:
    """Positions of the texts found."""
    return [hit.passage_key - 1 for hit in hits]


async def measure(
    collection: Collection, vectors: Vectors, reranker: Reranker, *, rerank: int, say: Callable[[str], None]
) -> bool:
    """Whether the collection's bound holds; says all figures."""
    say(f"{collection.name}: {len(collection.texts)} texts, {len(collection.questions)} questions")
    with tempfile.TemporaryDirectory(prefix="dragoman-quality-") as scratch:
        database = SqliteDatabase(Path(scratch) / "index.db")
        try:
            work = Measurement(collection, database, vectors)
            await work.build()
            hits = {leg: await work.found(leg) for leg in LEGS}
            results = {
                leg: quality([ranking_of(one) for one in hits[leg]], collection.grades) for leg in LEGS
            }
            for leg in LEGS:
                say(f"  {leg:<18} {results[leg]}")
            if rerank:
                await say_reranked(work, collection, hits["hybrid"], reranker, rerank=rerank, say=say)
        finally:
            await database.close()
    bound = max(results["keyword"].ndcg, results["vector"].ndcg)
    holds = results["hybrid"].ndcg >= bound - ROUNDING
    say(f"  {'pass' if holds else 'FAIL'}: hybrid {results['hybrid'].ndcg:.4f}, best leg {bound:.4f}")
    return holds


async def say_reranked(
    work: Measurement,
    collection: Collection,
    hits: Sequence[list[IndexHit]],
    reranker: Reranker,
    *,
    rerank: int,
    say: Callable[[str], None],
) -> None:
    """Says what the reranker adds, on the same sample of questions before and after."""
    count = len(collection.questions)
    picked = sorted(np.random.default_rng(1).permutation(count)[:rerank].tolist())
    grades = [collection.grades[position] for position in picked]
    before = quality([ranking_of(hits[position]) for position in picked], grades)
    after = quality(await work.reranked(reranker, hits, picked), grades)
    say(f"  on {len(picked)} questions:")
    say(f"    hybrid           {before}")
    say(f"    with reranker    {after}")


async def run(arguments: argparse.Namespace) -> int:
    """0 when every bound holds."""
    cores = os.cpu_count() or 1
    ingest = ChildPool(size=min(cores, 4), memory_mb=700, idle_seconds=10, name="embed")
    reranking = ChildPool(size=1, memory_mb=700, idle_seconds=10, name="rerank")
    embedder = LocalEmbedder(arguments.weights, query_threads=1, ingest_pool=ingest)
    reranker = LocalReranker(arguments.weights, pool=reranking, threads=cores)
    held = True
    try:
        for folder in arguments.folders:
            held &= await measure(
                load(folder), Vectors(embedder, arguments.cache), reranker, rerank=arguments.rerank, say=print
            )
    finally:
        embedder.close()
        await ingest.close()
        await reranking.close()
    return 0 if held else 1


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATA_DIR")
    weights = os.environ.get("DRAGOMAN_WEIGHTS__DIR") or str(default_folder())
    parser.add_argument("--weights", type=Path, default=Path(weights))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "dragoman-bench-vectors")
    parser.add_argument("--rerank", type=int, default=60, help="how many questions to rerank (60)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
