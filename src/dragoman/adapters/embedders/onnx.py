"""bge-small-en-v1.5 (int8) on onnxruntime: text in, unit vectors out. Needs the extra ``embeddings``.

Texts go through the graph one at a time: a batch is padded and quantised as a whole, which on the CPU is not
faster and makes a passage's vector depend on its neighbours.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions
from tokenizers import Tokenizer

from dragoman.domain.inference.ports import Vectors
from dragoman.kit.weights import BGE_SMALL_MODEL, BGE_SMALL_TOKENIZER, locate

MAX_TOKENS = 512
DIMENSIONS = 384
_QUERY_PREFIX = "Represent this sentence for searching relevant passages: "
# 512 tokens are rarely more than 3,000 characters; the bound keeps a huge text from being cut up in full.
_MAX_CHARS = 32_768


class BgeEncoder:
    """The loaded model; a call blocks for as long as it computes.

    Raises:
        Unavailable: a file is missing or altered.
    """

    def __init__(self, weights_dir: Path, threads: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(locate(weights_dir, BGE_SMALL_TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = SessionOptions()
        # The arena keeps the largest batch ever seen, and spinning threads take the cores from the server.
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = locate(weights_dir, BGE_SMALL_MODEL)
        self._session = InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, 384]``."""
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._encode(text)
        return vectors

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, 384]`` of questions, which the model wants introduced."""
        return self.passages([_QUERY_PREFIX + text for text in texts])

    def _encode(self, text: str) -> Vectors:
        clean = text[:_MAX_CHARS].encode("utf-8", "replace").decode("utf-8")
        ids = np.array([self._tokenizer.encode(clean).ids], np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        hidden = np.asarray(self._session.run(["last_hidden_state"], feed)[0])
        first = hidden[0, 0]
        return (first / np.linalg.norm(first)).astype(np.float32, copy=False)


@lru_cache(maxsize=1)
def encoder(weights_dir: str, threads: int) -> BgeEncoder:
    """The process's one encoder, loaded by the first call."""
    return BgeEncoder(Path(weights_dir), threads)
