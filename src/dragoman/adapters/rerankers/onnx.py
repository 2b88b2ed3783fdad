"""ms-marco-MiniLM-L-12-v2 (int8) on onnxruntime: how well a passage answers a question.

Needs the extra ``embeddings``.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions
from tokenizers import Tokenizer

from dragoman.kit.weights import RERANKER_MODEL, RERANKER_TOKENIZER, locate

MAX_TOKENS = 512
# Bounds what is tokenized; of a pair only 512 tokens are read.
_MAX_QUERY_CHARS = 4_096
_MAX_PASSAGE_CHARS = 32_768


class CrossEncoder:
    """The loaded model; a call blocks for as long as it computes.

    Raises:
        Unavailable: a file is missing or altered.
    """

    def __init__(self, weights_dir: Path, threads: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(locate(weights_dir, RERANKER_TOKENIZER)))
        # The file itself asks for padding to 512, which makes every pair as slow as the longest.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = SessionOptions()
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = locate(weights_dir, RERANKER_MODEL)
        self._session = InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """One logit a passage, about -11 (unrelated) to 11."""
        question = _clean(query, _MAX_QUERY_CHARS)
        return [self._score(question, _clean(passage, _MAX_PASSAGE_CHARS)) for passage in passages]

    def _score(self, query: str, passage: str) -> float:
        pair = self._tokenizer.encode(query, passage)
        feed = {
            "input_ids": np.array([pair.ids], np.int64),
            "attention_mask": np.array([pair.attention_mask], np.int64),
            "token_type_ids": np.array([pair.type_ids], np.int64),
        }
        return float(np.asarray(self._session.run(["logits"], feed)[0])[0, 0])


def _clean(text: str, most: int) -> str:
    return text[:most].encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1)
def encoder(weights_dir: str, threads: int) -> CrossEncoder:
    """The process's one cross-encoder, loaded by the first call."""
    return CrossEncoder(Path(weights_dir), threads)
