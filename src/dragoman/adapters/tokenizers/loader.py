"""The best tokenizer there is for a vocabulary's name; packages are imported when one is asked for."""

import importlib
from pathlib import Path

import structlog

from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.domain.inference.ports import Tokenizer
from dragoman.kit.errors import Unavailable
from dragoman.kit.weights import BGE_SMALL_TOKENIZER, locate

log = structlog.get_logger(__name__)


class TokenizerLoader:
    """Gives a new tokenizer at each call; whoever calls keeps it.

    Args:
        weights_dir: where ``scripts/fetch-weights`` put the embedder's own vocabulary.
    """

    def __init__(self, weights_dir: Path) -> None:
        self._weights_dir = weights_dir

    def __call__(self, name: str) -> Tokenizer:
        """The tokenizer of that vocabulary, or an estimate when its package or file is not there."""
        try:
            if name == "bert-uncased":
                path = locate(self._weights_dir, BGE_SMALL_TOKENIZER)
                return importlib.import_module("dragoman.adapters.tokenizers.file").FileTokenizer(path)
            return importlib.import_module("dragoman.adapters.tokenizers.bpe").BpeTokenizer(name)
        except ModuleNotFoundError as error:
            reason = f"the Python package {error.name!r} is not installed"
        except Unavailable as error:
            reason = error.detail
        except KeyError:
            reason = "no such vocabulary"
        log.warning("tokenizer.estimated", vocabulary=name, reason=reason)
        return EstimateTokenizer()
