"""Each provider kind in front of an upstream on loopback that speaks its format."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
import pytest
from fake_upstream import AnthropicWords, FakeUpstream, OpenAIWords

from dragoman.adapters.models import anthropic, openai_chat
from dragoman.adapters.models.providers import providers
from dragoman.adapters.models.upstream import Endpoint
from dragoman.domain.inference.ports import ChatModel

KEY = "sk-test-0123456789abcdef"
LOADED = (anthropic, openai_chat)


@dataclass
class Provider:
    """A model and the upstream behind it."""

    model: ChatModel
    upstream: FakeUpstream
    words: OpenAIWords | AnthropicWords


@pytest.fixture
async def upstream(anyio_backend: str) -> AsyncGenerator[FakeUpstream]:
    server = FakeUpstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=[OpenAIWords, AnthropicWords], ids=lambda words: words.kind)
async def provider(request: pytest.FixtureRequest, upstream: FakeUpstream) -> AsyncGenerator[Provider]:
    words = request.param()
    make = providers.get(words.kind)
    assert make is not None
    endpoint = Endpoint(
        name="mine",
        model="theirs",
        base_url=upstream.address + "/v1",
        key=KEY,
        connect_seconds=1,
        idle_seconds=1,
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        yield Provider(make(endpoint, client), upstream, words)
