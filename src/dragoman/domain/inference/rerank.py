"""Joining a reranker's opinion with the order it was given."""

from collections.abc import Sequence

RERANK_WEIGHT = 0.3


def fused_order(
    found: Sequence[float], reranked: Sequence[float], *, weight: float = RERANK_WEIGHT
) -> list[int]:
    """Positions, best first, by a weighted sum of both scores, each stretched to 0..1 over the list.

    A small cross-encoder that replaces a good hybrid order makes it worse; as one more voice it helps a
    little.
    """
    first, second = _stretched(found), _stretched(reranked)
    scores = [(1 - weight) * a + weight * b for a, b in zip(first, second, strict=True)]
    return sorted(range(len(scores)), key=lambda position: (-scores[position], position))


def _stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]
