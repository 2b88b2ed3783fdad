"""What holds for every embedder, and for the service over it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from dragoman.adapters.embedders.local import LocalEmbedder
from dragoman.adapters.embedders.openai import OpenAIEmbedder, OpenAIEmbedderSpec
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import Embedder
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.kit.errors import Unavailable
from dragoman.kit.processes import ChildPool

TEXTS = [
    "The harbour froze over in January.",
    "A recipe for lentil soup with cumin.",
    "",
    "Ships could not leave the port because of the ice. " * 60,
    "lone surrogate \ud800 and emoji 😀",
]
COUNTER = TokenCounter(lambda _name: EstimateTokenizer())

Opened = Callable[[], AbstractAsyncContextManager[Embedder]]


@asynccontextmanager
async def local(weights: Path) -> AsyncIterator[Embedder]:
    pool = ChildPool(size=2, memory_mb=700, idle_seconds=30, name="embed")
    embedder = LocalEmbedder(weights, query_threads=1, ingest_pool=pool)
    try:
        yield embedder
    finally:
        embedder.close()
        await pool.close()


def letters(text: str) -> list[float]:
    """A vector that depends on the text alone."""
    counts = [1.0] + [0.0] * 7
    for character in text.encode("utf-8", "replace"):
        counts[character % 8] += 1
    return counts


def answer(request: httpx.Request) -> httpx.Response:
    inputs = json.loads(request.content)["input"]
    items = [{"index": at, "embedding": letters(text)} for at, text in enumerate(inputs)]
    return httpx.Response(200, json={"data": items[::-1]})


@asynccontextmanager
async def remote(_weights: Path) -> AsyncIterator[Embedder]:
    spec = OpenAIEmbedderSpec("http://embedder.test/v1/embeddings", "letters", 8)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        yield OpenAIEmbedder(client, spec)


@pytest.fixture(params=[pytest.param(local, marks=pytest.mark.weights), remote], ids=["local", "openai"])
def opened(request: pytest.FixtureRequest) -> Opened:
    weights = request.getfixturevalue("weights_dir") if request.param is local else Path()
    return lambda: request.param(weights)


def test_every_text_gets_a_unit_vector_of_the_profiles_length_in_order(opened: Opened) -> None:
    async def run() -> None:
        async with opened() as embedder:
            together = await embedder.embed_documents(TEXTS)
            assert together.dtype == np.float32
            assert together.shape == (len(TEXTS), embedder.profile.dimensions)
            np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
            for row, text in enumerate(TEXTS):
                alone = await embedder.embed_documents([text])
                np.testing.assert_allclose(alone[0], together[row], atol=1e-5)

    asyncio.run(run())


def test_no_texts_are_no_vectors(opened: Opened) -> None:
    async def run() -> None:
        async with opened() as embedder:
            shape = (0, embedder.profile.dimensions)
            assert (await embedder.embed_documents([])).shape == shape
            assert (await embedder.embed_queries([])).shape == shape

    asyncio.run(run())


def test_many_calls_at_once_do_not_mix_up_their_texts(opened: Opened) -> None:
    texts = [f"passage {number} of a long report" for number in range(40)]

    async def run() -> None:
        async with opened() as embedder:
            whole = await embedder.embed_documents(texts)
            parts = await asyncio.gather(
                *(embedder.embed_documents(texts[at : at + 4]) for at in range(0, 40, 4))
            )
            np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
            queries = await asyncio.gather(*(embedder.embed_queries([text]) for text in texts))
            np.testing.assert_allclose(
                np.concatenate(queries), await embedder.embed_queries(texts), atol=1e-5
            )

    asyncio.run(run())


def test_the_service_hands_on_what_the_embedder_makes_and_counts_tokens(opened: Opened) -> None:
    async def run() -> None:
        async with opened() as embedder:
            service = EmbedService(embedder, counter=COUNTER)
            assert service.available
            assert service.reason is None
            assert service.require() is service.profile
            assert (await service.passages(["a", "b"])).shape[0] == 2
            assert (await service.queries(["a"])).shape[0] == 1
            cost = await service.tokens(["two words", "word " * 40_000])
            assert embedder.profile.max_tokens < cost.tokens <= embedder.profile.max_tokens + 10
            assert cost.estimated

    asyncio.run(run())


def test_a_service_without_an_embedder_says_why() -> None:
    service = EmbedService(None, counter=COUNTER, reason="the weights are not there")
    assert service.profile is None
    assert not service.available
    assert service.reason == "the weights are not there"
    with pytest.raises(Unavailable, match="the weights are not there"):
        service.require()
    with pytest.raises(Unavailable):
        asyncio.run(service.queries(["x"]))
