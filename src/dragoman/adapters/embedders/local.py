"""The embedder that needs no network: questions in a thread of this process, passages in child processes.

Nothing heavy is imported or loaded before the first text comes.
"""

import asyncio
import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from dragoman.domain.inference.ports import EmbedderProfile, Vectors
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool
from dragoman.kit.weights import BGE_SMALL_MODEL, BGE_SMALL_TOKENIZER, missing

if TYPE_CHECKING:
    from dragoman.adapters.embedders.onnx import BgeEncoder

log = structlog.get_logger(__name__)

_ENGINE = "dragoman.adapters.embedders.onnx"
_DIMENSIONS = 384
PROFILE = EmbedderProfile(
    name="bge-small-en-v1.5",
    fingerprint=f"bge-small-en-v1.5-int8@{BGE_SMALL_MODEL.sha256[:8]}/cls/prefix-v1/{_DIMENSIONS}",
    dimensions=_DIMENSIONS,
    max_tokens=512,
)

# Small calls share the processes fairly and lose little when one is cancelled.
_TEXTS_PER_CALL = 8
_CALL_SECONDS = 120.0
_CACHED_QUERIES = 512


def _engine_encoder(weights_dir: str, threads: int) -> "BgeEncoder":
    return importlib.import_module(_ENGINE).encoder(weights_dir, threads)


def embed_in_child(weights_dir: str, threads: int, texts: list[str]) -> Vectors:
    """Unit vectors of passages; the process that runs this keeps the model loaded."""
    return _engine_encoder(weights_dir, threads).passages(texts)


class LocalEmbedder:
    """An ``Embedder`` over bge-small-en-v1.5.

    Args:
        weights_dir: where ``scripts/fetch-weights`` put the files.
        query_threads: cores for a question; 1 answers in 6-9 ms.
        ingest_pool: processes for passages, which its owner closes. A process a core is faster than one
            process of several threads: 51 against 32 passages of 200 tokens a second on two cores, 175 MB
            each.
        child_threads: cores for a process of the pool.

    Raises:
        Unavailable: the weights or the Python packages are not there.
    """

    def __init__(
        self, weights_dir: Path, *, query_threads: int, ingest_pool: ChildPool, child_threads: int = 1
    ) -> None:
        _require(weights_dir)
        self._weights_dir = str(weights_dir)
        self._query_threads = query_threads
        self._pool = ingest_pool
        self._child_threads = child_threads
        # One thread: the model is loaded once, and questions never fight each other for the cores.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed-queries")
        self._cache: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def profile(self) -> EmbedderProfile:
        """Name, fingerprint and sizes."""
        return PROFILE

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, 384]``; cancelling stops the processes at work on them.

        Raises:
            ProviderError: the processes crashed, twice.
            DeadlineExceeded: a part took longer than two minutes.
        """
        vectors = np.empty((len(texts), _DIMENSIONS), np.float32)
        # The longest first, so that the processes end at about the same time.
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        parts = [order[start : start + _TEXTS_PER_CALL] for start in range(0, len(order), _TEXTS_PER_CALL)]
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self._fill(vectors, part, [texts[row] for row in part]))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return vectors

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, 384]``; the latest questions are remembered.

        Raises:
            Unavailable: a weight file is missing or altered.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._cache]
        found = {text: self._cache[text] for text in texts if text in self._cache}
        if new:
            loop = asyncio.get_running_loop()
            found.update(zip(new, await loop.run_in_executor(self._thread, self._queries, new), strict=True))
        for text, vector in found.items():
            self._cache[text] = vector
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHED_QUERIES:
            self._cache.popitem(last=False)
        return np.array([found[text] for text in texts], np.float32).reshape(len(texts), _DIMENSIONS)

    def close(self) -> None:
        """Ends the thread for questions after the one in work; the pool is its owner's to close."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _queries(self, texts: Sequence[str]) -> Vectors:
        return _engine_encoder(self._weights_dir, self._query_threads).queries(texts)

    async def _fill(self, vectors: Vectors, rows: Sequence[int], texts: list[str]) -> None:
        vectors[rows] = await self._in_child(texts)

    async def _in_child(self, texts: list[str]) -> Vectors:
        call = (embed_in_child, self._weights_dir, self._child_threads, texts)
        try:
            return await self._pool.call(*call, timeout_seconds=_CALL_SECONDS)
        except ChildCrashed as error:
            log.warning("embed.retried", reason=error.detail)
        try:
            return await self._pool.call(*call, timeout_seconds=_CALL_SECONDS)
        except ChildCrashed as error:
            raise ProviderError(f"The embedder failed twice: {error.detail}", retryable=True) from error


def _require(weights_dir: Path) -> None:
    lacking = missing(weights_dir, BGE_SMALL_MODEL, BGE_SMALL_TOKENIZER)
    if lacking:
        raise Unavailable(
            f"The embedder's files are not in {weights_dir}: run scripts/fetch-weights.",
            code="weights_missing",
        )
    for package in ("onnxruntime", "tokenizers"):
        if importlib.util.find_spec(package) is None:
            raise Unavailable(
                f"The Python package {package!r} is not installed: install dragoman[embeddings].",
                code="extra_missing",
            )
