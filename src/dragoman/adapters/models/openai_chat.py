"""Models behind any OpenAI-compatible address: OpenAI itself, vLLM, Ollama and many more."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx

from dragoman.adapters.models import openai_wire
from dragoman.adapters.models.providers import providers
from dragoman.adapters.models.upstream import Endpoint, posted, sent_data
from dragoman.domain.inference.ports import ChatRequest, ModelProfile
from dragoman.domain.messages.events import Event

_PATH = "/chat/completions"


class OpenAIChatModel:
    """One model of an OpenAI-compatible provider.

    Args:
        endpoint: where the model is.
        client: shared by all models of the provider; not closed here.
        max_tokens_field: ``max_completion_tokens`` for OpenAI's reasoning models.
    """

    def __init__(
        self, endpoint: Endpoint, client: httpx.AsyncClient, *, max_tokens_field: str = "max_tokens"
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._max_tokens_field = max_tokens_field

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
            InvalidInput: the provider finds the request wrong.
            NotFound: the provider has no such model.
            QuotaExceeded: the provider refuses for now.
        """
        key = self._endpoint.key
        body = openai_wire.encode(request, self._endpoint.model, max_tokens_field=self._max_tokens_field)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        decoder = openai_wire.Decoder(self.name, openai_wire.estimated_prompt_tokens(request.messages))
        async with (
            posted(self._client, self._endpoint, _PATH, body=body, headers=headers) as response,
            aclosing(openai_wire.decoded(sent_data(response), decoder)) as events,
        ):
            async for event in events:
                yield event


providers.add("openai_chat", OpenAIChatModel)
