"""Anthropic's models, over its Messages API."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx

from dragoman.adapters.models import anthropic_wire
from dragoman.adapters.models.openai_wire import decoded, estimated_prompt_tokens
from dragoman.adapters.models.providers import providers
from dragoman.adapters.models.upstream import Endpoint, posted, sent_data
from dragoman.domain.inference.ports import ChatRequest, ModelProfile
from dragoman.domain.messages.events import Event

_PATH = "/messages"
_VERSION = "2023-06-01"
_MAX_TOKENS = 4096


class AnthropicModel:
    """One model at Anthropic, or at anything that speaks its format.

    Args:
        endpoint: where the model is; the base address ends in ``/v1``.
        client: shared by all models of the provider; not closed here.
    """

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient) -> None:
        self._endpoint = endpoint
        self._client = client

    @property
    def name(self) -> str:
        """The name the catalogue lists it by."""
        return self._endpoint.name

    @property
    def profile(self) -> ModelProfile:
        """Facts about the model."""
        return self._endpoint.profile

    async def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """The answer as events; closing the iterator early hangs up, which stops the provider.

        Raises:
            ProviderError: the provider failed, before or amid the stream.
            InvalidInput: the provider finds the request wrong, or has no place for one of its parts.
            NotFound: the provider has no such model.
            QuotaExceeded: the provider refuses for now.
        """
        bound = self.profile.max_output_tokens or _MAX_TOKENS
        body = anthropic_wire.encode(request, self._endpoint.model, max_tokens=bound)
        headers = {"anthropic-version": _VERSION}
        if self._endpoint.key:
            headers["x-api-key"] = self._endpoint.key
        decoder = anthropic_wire.Decoder(self.name, estimated_prompt_tokens(request.messages))
        async with (
            posted(self._client, self._endpoint, _PATH, body=body, headers=headers) as response,
            aclosing(decoded(sent_data(response), decoder)) as events,
        ):
            async for event in events:
                yield event


providers.add("anthropic", AnthropicModel)
