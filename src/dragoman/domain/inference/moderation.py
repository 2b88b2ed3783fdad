"""Scores of what a request is about, against the thresholds that an agent sets."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.moderation_romance import ROMANCE_EXAMPLES, ROMANCE_HARMLESS, ROMANCE_RULES
from dragoman.domain.inference.moderation_rules import EXAMPLES, HARMLESS, RULES
from dragoman.domain.inference.ports import Vectors
from dragoman.kit.errors import DragomanError, ProviderError

_WINDOW = 1500
_MOST_WINDOWS = 32
_LONGEST_TEXT = 200_000
# How much nearer an example is than anything harmless: where that begins to count, and where it is certain.
_UNSURE, _SURE = 0.04, 0.24
# Below this cosine nothing is near at all.
_LEAST_NEARNESS = 0.55


@dataclass(frozen=True, slots=True)
class ModerationScores:
    """How surely a text belongs to each category, 0..100."""

    violence: int = 0
    sexual: int = 0
    political: int = 0
    dangerous: int = 0
    jailbreak: int = 0


CATEGORIES = tuple(field.name for field in fields(ModerationScores))


class ModerationScorer(Protocol):
    """Judges texts."""

    async def score(self, texts: Sequence[str]) -> ModerationScores:
        """The highest score of any of the texts, by category.

        Raises:
            DragomanError: they could not be judged.
        """
        ...


async def over_threshold(
    scorer: ModerationScorer, texts: Sequence[str], thresholds: Mapping[str, int]
) -> tuple[str, ...]:
    """The categories whose threshold the texts reach; a threshold of 0 is not looked at.

    Raises:
        ProviderError: the texts could not be judged; they must not go on then.
    """
    watched = {name: bound for name, bound in thresholds.items() if bound > 0}
    if not watched:
        return ()
    try:
        scores = await scorer.score(texts)
    except DragomanError as error:
        raise ProviderError(
            "The request could not be moderated and was not passed on.",
            retryable=True,
            code="moderation_failed",
        ) from error
    return tuple(name for name, bound in watched.items() if getattr(scores, name) >= bound)


def rule_scores(text: str) -> dict[str, float]:
    """Scores 0..1 by the rules: each pattern found makes what is left of doubt smaller."""
    scores: dict[str, float] = {}
    for category, rules in RULES.items():
        doubt = 1.0
        for pattern, weight in (*rules, *ROMANCE_RULES[category]):
            if pattern.search(text):
                doubt *= 1 - weight
        scores[category] = 1 - doubt
    return scores


class LocalScorer:
    """Judges on this machine: by rules and, where there is an embedder, by nearness to example phrases.

    Args:
        embed: without an embedder the rules alone judge; one that fails makes judging fail.
    """

    def __init__(self, embed: EmbedService | None = None) -> None:
        self._embed = embed
        self._examples: tuple[tuple[str, ...], Vectors] | None = None
        self._loading = asyncio.Lock()

    async def score(self, texts: Sequence[str]) -> ModerationScores:
        """The highest score of any of the texts, by category.

        Raises:
            DragomanError: the embedder failed.
        """
        pieces = [piece for text in texts for piece in _windows(text)]
        if not pieces:
            return ModerationScores()
        best = dict.fromkeys(CATEGORIES, 0.0)
        await asyncio.to_thread(_raise_by_rules, best, texts)
        if self._embed is not None and self._embed.available:
            await self._raise_by_nearness(self._embed, best, pieces[-_MOST_WINDOWS:])
        return ModerationScores(**{name: round(100 * value) for name, value in best.items()})

    async def _raise_by_nearness(
        self, embed: EmbedService, best: dict[str, float], pieces: Sequence[str]
    ) -> None:
        labels, examples = await self._example_vectors(embed)
        vectors = await embed.queries(pieces)
        nearness = np.asarray(vectors @ examples.T)
        harmless = nearness[:, [label == "" for label in labels]].max(axis=1, keepdims=True)
        lead = np.where(nearness >= _LEAST_NEARNESS, nearness - harmless, 0.0).max(axis=0)
        certainty = np.clip((lead - _UNSURE) / (_SURE - _UNSURE), 0.0, 1.0)
        for label, value in zip(labels, certainty, strict=True):
            if label:
                best[label] = max(best[label], float(value))

    async def _example_vectors(self, embed: EmbedService) -> tuple[tuple[str, ...], Vectors]:
        async with self._loading:
            if self._examples is None:
                pairs = [
                    (name, phrase)
                    for name in EXAMPLES
                    for phrase in (*EXAMPLES[name], *ROMANCE_EXAMPLES[name])
                ]
                pairs += [("", phrase) for phrase in (*HARMLESS, *ROMANCE_HARMLESS)]
                vectors = await embed.queries([phrase for _, phrase in pairs])
                self._examples = tuple(name for name, _ in pairs), vectors
            return self._examples


def _raise_by_rules(best: dict[str, float], texts: Sequence[str]) -> None:
    for text in texts:
        for name, value in rule_scores(text[:_LONGEST_TEXT]).items():
            best[name] = max(best[name], value)


def _windows(text: str) -> list[str]:
    """The text in pieces that an embedder takes whole."""
    kept = text.strip()[:_LONGEST_TEXT]
    return [kept[start : start + _WINDOW] for start in range(0, len(kept), _WINDOW)]
