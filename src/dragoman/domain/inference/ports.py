"""What inference needs from outside: chat models, embedders, rerankers, tokenizers."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import Event
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.kit.jsontypes import JsonObject, JsonValue

Vectors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Facts about a model that callers act on; never its vendor's name.

    ``quotes_only``: answers by quoting the passages it is given, so it needs ``ChatRequest.citations`` and writes nothing of
    its own. ``demo``: good for trying things out, not for use; lists say so.
    """

    context_tokens: int = 8192
    max_output_tokens: int | None = None
    tools: bool = True
    json_schema: bool = True
    images: bool = False
    quotes_only: bool = False
    demo: bool = False
    outside: bool = False
    tokenizer: str = "o200k_base"
    tokenizer_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling settings; None means not sent, so that the provider's own default holds."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """``function`` names the one tool that must be called."""

    mode: Literal["auto", "none", "required", "function"] = "auto"
    function: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call of a chat model.

    ``response_format`` is the OpenAI object (``json_object``, ``json_schema``). ``citations`` are the numbered passages that
    the messages already carry as text; models whose profile says ``quotes_only`` answer from these. ``grounded``: documents
    were searched for the question, whether or not anything was found. ``extra`` goes into an
    OpenAI-compatible provider's body as it is.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    citations: tuple[Citation, ...] = ()
    grounded: bool = False
    user: str | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])


class ChatModel(Protocol):
    """A model that can be talked to."""

    @property
    def name(self) -> str:
        """The name the catalogue lists it by."""
        ...

    @property
    def profile(self) -> ModelProfile:
        """Facts about the model."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """The answer as events, ending with ``Finished``; closing the iterator early cancels the provider's work.

        Raises:
            ProviderError: the provider failed, before or amid the stream.
            Unavailable: a part it needs is not there; the message says what to install or configure.
        """
        ...


@dataclass(frozen=True, slots=True)
class EmbedderProfile:
    """What made an index. Two indexes are comparable only when ``fingerprint`` is equal.

    ``outside``: texts leave the operator's own systems for it.
    """

    name: str
    fingerprint: str
    dimensions: int
    max_tokens: int
    outside: bool = False


class Embedder(Protocol):
    """Turns text into unit vectors."""

    @property
    def profile(self) -> EmbedderProfile:
        """Name, fingerprint and sizes."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]`` of passages; may run in another process."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]`` of questions; answers in milliseconds once loaded."""
        ...


class Reranker(Protocol):
    """Scores how well passages answer a question."""

    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better; only their order means something."""
        ...


class Tokenizer(Protocol):
    """Counts tokens."""

    @property
    def exact(self) -> bool:
        """False when the counts are estimates."""
        ...

    def count(self, text: str) -> int:
        """Tokens in the text."""
        ...
