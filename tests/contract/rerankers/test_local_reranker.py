"""The reranker that needs no network, and how its opinion is joined."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.adapters.rerankers.local import LocalReranker
from dragoman.domain.inference.rerank import fused_order
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool
from dragoman.kit.weights import RERANKER_MODEL, RERANKER_TOKENIZER


class CrashingPool:
    """Plays the part of a pool whose children crash a number of times."""

    def __init__(self, crashes: int) -> None:
        self.crashes = crashes
        self.calls = 0

    async def call(self, _fn: object, *args: Any, timeout_seconds: float) -> list[float]:
        self.calls += 1
        if self.crashes >= self.calls:
            raise ChildCrashed("killed")
        return [1.0] * len(args[3])


def reranker_over(weights: Path, pool: object) -> LocalReranker:
    return LocalReranker(weights, pool=pool, threads=2)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def empty_weights(tmp_path: Path) -> Path:
    for file in (RERANKER_MODEL, RERANKER_TOKENIZER):
        path = tmp_path / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not a model")
    return tmp_path


def test_without_weights_it_cannot_be_made_and_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="scripts/fetch-weights"):
        reranker_over(tmp_path, CrashingPool(0))


def test_a_crash_is_tried_again_once(empty_weights: Path) -> None:
    pool = CrashingPool(1)
    assert asyncio.run(reranker_over(empty_weights, pool).score("q", ["a", "b"])) == [1.0, 1.0]
    pool = CrashingPool(2)
    with pytest.raises(ProviderError, match="killed"):
        asyncio.run(reranker_over(empty_weights, pool).score("q", ["a"]))
    assert pool.calls == 2


def test_nothing_to_score_starts_no_process(empty_weights: Path) -> None:
    pool = CrashingPool(5)
    assert asyncio.run(reranker_over(empty_weights, pool).score("q", [])) == []
    assert pool.calls == 0


@pytest.mark.weights
def test_the_answer_scores_above_what_only_shares_words(weights_dir: Path) -> None:
    passages = [
        "The capital of the company was raised by new shares.",
        "Paris has been the seat of government of France for centuries.",
        "Bananas \ud800 are yellow. " * 2_000,
    ]

    async def run() -> list[float]:
        pool = ChildPool(size=1, memory_mb=700, idle_seconds=30, name="rerank")
        try:
            return await reranker_over(weights_dir, pool).score("What is the capital of France?", passages)
        finally:
            await pool.close()

    scores = asyncio.run(run())
    assert len(scores) == 3
    assert max(scores) == scores[1]
    assert min(scores) == scores[2]


scores = st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), max_size=30)


@given(scores)
def test_the_joined_order_names_every_position_once(pairs: list[tuple[float, float]]) -> None:
    order = fused_order([first for first, _ in pairs], [second for _, second in pairs])
    assert sorted(order) == list(range(len(pairs)))


@given(scores)
def test_what_both_prefer_comes_first(pairs: list[tuple[float, float]]) -> None:
    order = fused_order([first for first, _ in pairs], [second for _, second in pairs])
    place = {position: rank for rank, position in enumerate(order)}
    for one, (first, second) in enumerate(pairs):
        for other, (third, fourth) in enumerate(pairs):
            # Closer scores than this may be one number after stretching.
            if first > third + 1e-6 and second > fourth + 1e-6:
                assert place[one] < place[other]


def test_a_weight_of_nothing_or_all_is_one_opinion_alone() -> None:
    assert fused_order([3.0, 2.0, 1.0], [1.0, 2.0, 3.0], weight=0) == [0, 1, 2]
    assert fused_order([3.0, 2.0, 1.0], [1.0, 2.0, 3.0], weight=1) == [2, 1, 0]
