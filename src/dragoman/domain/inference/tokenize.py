"""How many tokens a text is for a model."""

import asyncio
import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dragoman.domain.inference.ports import Tokenizer

# Up to here counting takes a millisecond or two and stays in the event loop.
_INLINE_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class TokenCount:
    """``estimated``: not by the model's own vocabulary."""

    tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How a family of models cuts text. ``factor`` other than 1: by another family's vocabulary, scaled."""

    tokenizer: str
    factor: float = 1.0


# Vendors that keep their vocabulary to themselves need more pieces than o200k for the same text.
_FAMILIES: tuple[tuple[re.Pattern[str], Vocabulary], ...] = tuple(
    (re.compile(pattern), vocabulary)
    for pattern, vocabulary in (
        (r"(chat)?gpt-(4o|4\.1|4\.5|5|oss)|o[1-9](-|$)", Vocabulary("o200k_base")),
        (r"gpt-(4|3\.5)|text-embedding-(3|ada)", Vocabulary("cl100k_base")),
        (r"bge-(small|base|large)-en|all-minilm|ms-marco-minilm", Vocabulary("bert-uncased")),
        (r"claude", Vocabulary("o200k_base", 1.2)),
    )
)
_OTHERS = Vocabulary("o200k_base", 1.15)


def vocabulary_of(model: str) -> Vocabulary:
    """The vocabulary for a model's name, whatever provider or organisation stands before it."""
    name = re.split(r"[/:@]", model.lower())
    for part in name:
        for pattern, vocabulary in _FAMILIES:
            if pattern.match(part):
                return vocabulary
    return _OTHERS


class TokenCounter:
    """Counts tokens; vocabularies are loaded when the first text needs them, once.

    Args:
        load: the tokenizer of a vocabulary's name; one that estimates when the exact one is not there.
    """

    def __init__(self, load: Callable[[str], Tokenizer]) -> None:
        self._load = load
        self._loaded: dict[str, Tokenizer] = {}
        self._loading = threading.Lock()

    def count(self, text: str, model: str) -> TokenCount:
        """Tokens of the text for the model; blocks, about 0.1 s when a vocabulary is first used."""
        vocabulary = vocabulary_of(model)
        tokenizer = self._tokenizer(vocabulary.tokenizer)
        tokens = tokenizer.count(text)
        if vocabulary.factor == 1.0:
            return TokenCount(tokens, not tokenizer.exact)
        return TokenCount(math.ceil(tokens * vocabulary.factor), estimated=True)

    async def count_each(self, texts: Sequence[str], model: str) -> list[TokenCount]:
        """A count a text; long texts and a first load are worked on in a thread."""
        ready = vocabulary_of(model).tokenizer in self._loaded
        if ready and sum(map(len, texts)) <= _INLINE_CHARS:
            return self._count_each(texts, model)
        return await asyncio.to_thread(self._count_each, texts, model)

    async def total(self, texts: Sequence[str], model: str) -> TokenCount:
        """The tokens of all texts together, counted as ``count_each`` does."""
        counts = await self.count_each(texts, model)
        return TokenCount(sum(count.tokens for count in counts), any(count.estimated for count in counts))

    def _count_each(self, texts: Sequence[str], model: str) -> list[TokenCount]:
        return [self.count(text, model) for text in texts]

    def _tokenizer(self, name: str) -> Tokenizer:
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]
