"""The embedder that needs no network."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman.adapters.embedders.local import PROFILE, LocalEmbedder
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool
from dragoman.kit.weights import BGE_SMALL_MODEL, BGE_SMALL_TOKENIZER


class ScriptedPool:
    """Plays the part of a pool whose children crash a number of times."""

    def __init__(self, crashes: int) -> None:
        self.crashes = crashes
        self.calls = 0

    async def call(self, _fn: object, *args: Any, timeout_seconds: float) -> np.ndarray:
        self.calls += 1
        if self.crashes:
            self.crashes -= 1
            raise ChildCrashed("killed")
        return np.tile(np.float32(len(args[2])), (len(args[2]), PROFILE.dimensions))


@pytest.fixture
def empty_weights(tmp_path: Path) -> Path:
    for file in (BGE_SMALL_MODEL, BGE_SMALL_TOKENIZER):
        path = tmp_path / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not a model")
    return tmp_path


def embedder_over(weights: Path, pool: object) -> LocalEmbedder:
    return LocalEmbedder(weights, query_threads=1, ingest_pool=pool)  # pyright: ignore[reportArgumentType]


def test_without_weights_it_cannot_be_made_and_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="scripts/fetch-weights"):
        embedder_over(tmp_path, ScriptedPool(0))


def test_without_its_packages_it_cannot_be_made_and_says_what_to_install(
    empty_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match=r"dragoman\[embeddings\]"):
        embedder_over(empty_weights, ScriptedPool(0))


def test_altered_weights_are_refused_when_they_are_first_needed(empty_weights: Path) -> None:
    embedder = embedder_over(empty_weights, ScriptedPool(0))
    try:
        with pytest.raises(Unavailable, match="not the expected file"):
            asyncio.run(embedder.embed_queries(["x"]))
    finally:
        embedder.close()


def test_a_crash_is_tried_again_once(empty_weights: Path) -> None:
    pool = ScriptedPool(crashes=1)
    vectors = asyncio.run(embedder_over(empty_weights, pool).embed_documents(["a", "b"]))
    assert pool.calls == 2
    assert vectors[0, 0] == 2


def test_a_second_crash_is_an_error_that_may_pass(empty_weights: Path) -> None:
    pool = ScriptedPool(crashes=2)
    with pytest.raises(ProviderError, match="killed") as caught:
        asyncio.run(embedder_over(empty_weights, pool).embed_documents(["a"]))
    assert caught.value.retryable
    assert pool.calls == 2


def test_importing_it_loads_no_engine() -> None:
    code = (
        "import sys, dragoman.adapters.embedders.local as l, dragoman.adapters.rerankers.local;"
        "print(sorted({'onnxruntime', 'tokenizers', 'rs_bpe'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.weights
def test_a_question_is_nearest_to_the_passage_that_answers_it(weights_dir: Path) -> None:
    passages = [
        "Photosynthesis turns sunlight into sugar in the leaves of plants.",
        "The treaty ended thirty years of war between the two kingdoms.",
        "Whales breathe air and must come up to the surface.",
    ]
    questions = ["How do plants make food?", "When did the fighting stop?", "Why do sea mammals surface?"]

    async def run() -> None:
        pool = ChildPool(size=1, memory_mb=700, idle_seconds=30, name="embed")
        embedder = embedder_over(weights_dir, pool)
        try:
            similarity = (
                await embedder.embed_queries(questions) @ (await embedder.embed_documents(passages)).T
            )
            assert similarity.argmax(axis=1).tolist() == [0, 1, 2]
        finally:
            embedder.close()
            await pool.close()

    asyncio.run(run())


@pytest.mark.weights
def test_the_processes_go_when_there_is_no_more_work(weights_dir: Path) -> None:
    async def run() -> None:
        pool = ChildPool(size=2, memory_mb=700, idle_seconds=0.1, name="embed")
        embedder = embedder_over(weights_dir, pool)
        try:
            await embedder.embed_documents([f"text {number}" for number in range(20)])
            async with asyncio.timeout(5):
                while pool.children:  # noqa: ASYNC110 - the pool tells nobody when a child has gone
                    await asyncio.sleep(0.05)
            assert (await embedder.embed_documents(["again"])).shape == (1, 384)
        finally:
            embedder.close()
            await pool.close()

    asyncio.run(run())


@pytest.mark.weights
def test_a_question_asked_again_is_remembered(weights_dir: Path) -> None:
    async def run() -> None:
        embedder = embedder_over(weights_dir, ScriptedPool(0))
        try:
            first = await embedder.embed_queries(["who wrote the report?", "when?"])
            embedder.close()
            again = await embedder.embed_queries(["when?", "who wrote the report?"])
            np.testing.assert_array_equal(again, first[::-1])
        finally:
            embedder.close()

    asyncio.run(run())


@pytest.mark.weights
def test_a_huge_text_costs_no_more_than_what_is_read_of_it(weights_dir: Path) -> None:
    async def run() -> None:
        embedder = embedder_over(weights_dir, ScriptedPool(0))
        try:
            await embedder.embed_queries(["warm"])
            started = time.perf_counter()
            await embedder.embed_queries(["word " * 2_000_000])
            assert time.perf_counter() - started < 2
        finally:
            embedder.close()

    asyncio.run(run())
