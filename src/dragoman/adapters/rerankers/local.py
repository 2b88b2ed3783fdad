"""The reranker that needs no network, in a child process that goes when nobody asks any more."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import structlog

from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool
from dragoman.kit.weights import RERANKER_MODEL, RERANKER_TOKENIZER, missing

log = structlog.get_logger(__name__)

_ENGINE = "dragoman.adapters.rerankers.onnx"
_CALL_SECONDS = 30.0


def score_in_child(weights_dir: str, threads: int, query: str, passages: list[str]) -> list[float]:
    """One score a passage; the process that runs this keeps the model loaded."""
    return importlib.import_module(_ENGINE).encoder(weights_dir, threads).scores(query, passages)


class LocalReranker:
    """A ``Reranker`` over the ms-marco-MiniLM-L-12-v2 cross-encoder.

    Args:
        weights_dir: where ``scripts/fetch-weights`` put the files.
        pool: one process is enough; not the one that passages are embedded in, where questions would wait for
            documents.
        threads: cores for a call.

    Raises:
        Unavailable: the weights or the Python packages are not there.
    """

    def __init__(self, weights_dir: Path, *, pool: ChildPool, threads: int) -> None:
        if missing(weights_dir, RERANKER_MODEL, RERANKER_TOKENIZER):
            raise Unavailable(
                f"The reranker's files are not in {weights_dir}: run scripts/fetch-weights.",
                code="weights_missing",
            )
        for package in ("onnxruntime", "tokenizers"):
            if importlib.util.find_spec(package) is None:
                raise Unavailable(
                    f"The Python package {package!r} is not installed: install dragoman[embeddings].",
                    code="extra_missing",
                )
        self._weights_dir = str(weights_dir)
        self._pool = pool
        self._threads = threads

    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better; about 25 ms a passage of 200 tokens on two cores.

        Raises:
            ProviderError: the process crashed, twice.
            DeadlineExceeded: it took longer than 30 seconds.
            Unavailable: a weight file is missing or altered.
        """
        if not passages:
            return []
        call = (score_in_child, self._weights_dir, self._threads, query, list(passages))
        try:
            return await self._pool.call(*call, timeout_seconds=_CALL_SECONDS)
        except ChildCrashed as error:
            log.warning("rerank.retried", reason=error.detail)
        try:
            return await self._pool.call(*call, timeout_seconds=_CALL_SECONDS)
        except ChildCrashed as error:
            raise ProviderError(f"The reranker failed twice: {error.detail}", retryable=True) from error
