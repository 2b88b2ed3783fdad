"""A passage index in a few plain lines: what the real ones are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dragoman.domain.knowledge.ports import IndexEntry, IndexQuery


@dataclass
class ReferenceIndex:
    """Everything in two dicts; every search looks at everything."""

    texts: dict[int, IndexEntry] = field(default_factory=dict)
    vectors: dict[int, tuple[IndexEntry, NDArray[np.float32]]] = field(default_factory=dict)

    def add_text(self, entries: Sequence[IndexEntry]) -> None:
        self.texts.update({entry.passage_key: entry for entry in entries})

    def add_vectors(self, entries: Sequence[IndexEntry], vectors: NDArray[np.float32]) -> None:
        for entry, vector in zip(entries, vectors, strict=True):
            self.vectors[entry.passage_key] = (entry, vector)

    def remove(self, entries: Sequence[IndexEntry]) -> None:
        for entry in entries:
            self.texts.pop(entry.passage_key, None)
            self.vectors.pop(entry.passage_key, None)

    def remove_vectors(self, collection_key: int) -> None:
        gone = [key for key, (entry, _) in self.vectors.items() if entry.collection_key == collection_key]
        for key in gone:
            del self.vectors[key]

    def similarity(self, key: int, query: IndexQuery) -> float | None:
        """Cosine with the nearest term; None for a passage without a vector of that length."""
        if query.vectors is None or key not in self.vectors:
            return None
        vector = self.vectors[key][1].astype(np.float64)
        if len(vector) != query.vectors.shape[1]:
            return None
        lengths = np.linalg.norm(query.vectors, axis=1) * np.linalg.norm(vector)
        return float(np.max(query.vectors @ vector / lengths))

    def by_meaning(self, query: IndexQuery) -> dict[int, float]:
        """Every passage that the vector leg may give, with its similarity."""
        found: dict[int, float] = {}
        for key, (entry, _) in self.vectors.items():
            similarity = self.similarity(key, query)
            if similarity is not None and similarity >= query.minimum_similarity and _inside(entry, query):
                found[key] = similarity
        return found

    def by_words(self, query: IndexQuery) -> set[int]:
        """Every passage that the keyword leg may give; words are compared as they stand."""
        asked = {word for term in query.terms for word in term.split()}
        found: set[int] = set()
        for key, entry in self.texts.items():
            similarity = self.similarity(key, query)
            near = similarity is None or similarity >= query.minimum_similarity
            if near and _inside(entry, query) and asked & set(entry.text.split()):
                found.add(key)
        return found


def _inside(entry: IndexEntry, query: IndexQuery) -> bool:
    if entry.collection_key not in query.collection_keys:
        return False
    if entry.document_key in query.withheld:
        return False
    return query.document_keys is None or entry.document_key in query.document_keys
