"""The embedder over an OpenAI-compatible address."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import numpy as np
import pytest

from dragoman.adapters.embedders.openai import OpenAIEmbedder, OpenAIEmbedderSpec
from dragoman.kit.errors import DeadlineExceeded, ProviderError

SPEC = OpenAIEmbedderSpec("http://embedder.test/v1/embeddings", "some-model", 3, api_key="key-1")

Handler = Callable[[httpx.Request], httpx.Response]


def good(request: httpx.Request) -> httpx.Response:
    inputs = json.loads(request.content)["input"]
    return httpx.Response(
        200, json={"data": [{"index": at, "embedding": [3.0, 0.0, 4.0]} for at in range(len(inputs))]}
    )


def embed(
    handler: Handler, texts: list[str], spec: OpenAIEmbedderSpec = SPEC
) -> tuple[np.ndarray, list[float]]:
    """The vectors and the waits between tries."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> np.ndarray:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await OpenAIEmbedder(client, spec, sleep=sleep).embed_documents(texts)

    return asyncio.run(run()), waits


def replies(*answers: httpx.Response | Exception) -> Handler:
    """Answers in turn, then good ones."""
    left = list(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        if not left:
            return good(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


def test_texts_go_in_calls_of_at_most_64_with_key_and_model() -> None:
    seen: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert request.headers["authorization"] == "Bearer key-1"
        assert body["model"] == "some-model"
        assert "dimensions" not in body
        seen.append(len(body["input"]))
        return good(request)

    vectors, _ = embed(handler, [f"text {number}" for number in range(150)])
    assert seen == [64, 64, 22]
    np.testing.assert_allclose(vectors, np.tile([0.6, 0, 0.8], (150, 1)), atol=1e-6)


def test_a_length_is_asked_for_and_prefixes_are_put_before_texts() -> None:
    bodies: list[dict[str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return good(request)

    embed(handler, ["x"], replace(SPEC, send_dimensions=True, passage_prefix="passage: "))
    assert bodies[0]["dimensions"] == 3
    assert bodies[0]["input"] == ["passage: x"]


def test_overload_is_waited_for_as_long_as_the_provider_says() -> None:
    handler = replies(httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(503))
    vectors, waits = embed(handler, ["x"])
    assert vectors.shape == (1, 3)
    assert waits[0] == 7
    assert 0.5 < waits[1] < 2


def test_a_wait_that_is_too_long_is_handed_to_the_caller() -> None:
    with pytest.raises(ProviderError) as caught:
        embed(replies(httpx.Response(429, headers={"retry-after": "3600"})), ["x"])
    assert caught.value.retryable
    assert caught.value.retry_after_seconds == 3600
    assert caught.value.code == "provider_rate_limited"


def test_a_lost_connection_is_tried_again() -> None:
    vectors, waits = embed(replies(httpx.ConnectError("refused"), httpx.ReadTimeout("slow")), ["x"])
    assert vectors.shape == (1, 3)
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(httpx.ConnectError("refused"), ProviderError), (httpx.ReadTimeout("slow"), DeadlineExceeded)],
)
def test_it_gives_up_after_four_tries(failure: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        embed(replies(*[failure] * 4), ["x"])
    assert caught.value.__cause__ is failure


def test_a_refusal_is_not_tried_again_and_quotes_the_provider() -> None:
    with pytest.raises(ProviderError, match="401: wrong key") as caught:
        embed(replies(httpx.Response(401, text="wrong key")), ["x"])
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": []}, "0 vectors for 1"),
        ({"data": [{"index": 0, "embedding": [1.0, 2.0]}]}, "have 2 numbers, not 3"),
        ({"data": [{"index": 0, "embedding": [0.0, 0.0, 0.0]}]}, "without a direction"),
        ({"data": [{"index": 0, "embedding": ["a", 0, 0]}]}, "another form"),
        ({"data": [{"index": 5, "embedding": [1, 0, 0]}]}, "not numbered"),
        ({"data": {"embedding": [1, 0, 0]}}, "another form"),
        ({"error": "busy"}, "another form"),
        ([1, 2], "another form"),
    ],
)
def test_an_answer_of_another_shape_is_an_error(body: object, says: str) -> None:
    with pytest.raises(ProviderError, match=says):
        embed(replies(httpx.Response(200, json=body)), ["x"])


def test_an_answer_that_is_not_json_is_an_error() -> None:
    with pytest.raises(ProviderError, match="another form"):
        embed(replies(httpx.Response(200, text="<html>")), ["x"])


def test_the_fingerprint_changes_with_whatever_changes_vectors() -> None:
    variants = [
        SPEC,
        replace(SPEC, model="other"),
        replace(SPEC, url="http://other.test/embeddings"),
        replace(SPEC, dimensions=4),
        replace(SPEC, query_prefix="q: "),
        replace(SPEC, passage_prefix="q: "),
    ]
    assert len({spec.profile.fingerprint for spec in variants}) == len(variants)
    assert replace(SPEC, api_key="key-2").profile == SPEC.profile
    assert len(replace(SPEC, model="m" * 300).profile.fingerprint) <= 128
