"""Vectors for texts: by the server's embedder, by another that a collection was made with, or the reason why there is none."""

from collections.abc import Mapping, Sequence

from dragoman.domain.inference.ports import Embedder, EmbedderProfile, Vectors
from dragoman.domain.inference.tokenize import TokenCount, TokenCounter
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.labels.model import Policies
from dragoman.kit.errors import Unavailable

DEFAULT = "default"


class EmbedService:
    """The one place that texts become vectors.

    Args:
        embedder: the server's own, None when there is none; words alone are searched then.
        reason: why there is none, in a sentence with what to do.
        counter: counts the tokens that vectors cost.
        others: further embedders by name, for collections that were made with them or are to be.
        policies: what labels forbid.
    """

    def __init__(
        self,
        embedder: Embedder | None,
        *,
        counter: TokenCounter,
        reason: str | None = None,
        others: Mapping[str, Embedder] | None = None,
        policies: Policies | None = None,
    ) -> None:
        self._policies = policies or Policies(())
        self._embedder = embedder
        self._counter = counter
        self._reason = None if embedder is not None else reason or "No embedder is configured."
        self._named = {**(others or {}), **({DEFAULT: embedder} if embedder is not None else {})}
        self._by_fingerprint = {one.profile.fingerprint: one for one in self._named.values()}

    @property
    def profile(self) -> EmbedderProfile | None:
        """Facts about the embedder, None when there is none."""
        return None if self._embedder is None else self._embedder.profile

    @property
    def available(self) -> bool:
        """Whether vectors can be made at all."""
        return self._embedder is not None

    @property
    def reason(self) -> str | None:
        """Why no vectors can be made; None when they can."""
        return self._reason

    def require(self) -> EmbedderProfile:
        """Facts about the embedder.

        Raises:
            Unavailable: there is none; the message says why.
        """
        return self._present().profile

    def profiles(self) -> dict[str, EmbedderProfile]:
        """Every embedder that is here, by name; the server's own is ``default``."""
        return {name: embedder.profile for name, embedder in self._named.items()}

    def made_by(self, fingerprint: str) -> Embedder | None:
        """The embedder of that fingerprint, None when it is not here."""
        return self._by_fingerprint.get(fingerprint)

    def named(self, name: str | None) -> Embedder | None:
        """The embedder of that name, the server's own for None; None when it is not here."""
        return self._named.get(name or DEFAULT)

    def may_see(self, embedder: EmbedderProfile, label: str | None) -> bool:
        """Whether the embedder may be given text under the label."""
        if label is None or not embedder.outside:
            return True
        return self._policies.forbidding([label], "outside") is None

    async def queries(self, terms: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]`` of questions.

        Raises:
            Unavailable: there is no embedder.
            ProviderError: it failed.
            Forbidden: what the request at hand has used bears a label that forbids the embedder.
        """
        return await (await self._permitted()).embed_queries(terms)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors ``float32 [n, dimensions]`` of passages.

        Raises:
            Unavailable: there is no embedder.
            ProviderError: it failed.
            Forbidden: what the request at hand has used bears a label that forbids the embedder.
        """
        return await (await self._permitted()).embed_documents(texts)

    async def tokens(self, texts: Sequence[str]) -> TokenCount:
        """What vectors of these texts cost, in tokens; what is beyond the embedder's length is not counted.

        Raises:
            Unavailable: there is no embedder.
        """
        profile = self.require()
        counts = await self._counter.count_each(texts, profile.name)
        total = sum(min(count.tokens, profile.max_tokens) for count in counts)
        return TokenCount(total, any(count.estimated for count in counts))

    async def _permitted(self) -> Embedder:
        embedder, handling = self._present(), current_handling()
        if handling is not None:
            await handling.to_model(embedder.profile.name, outside=embedder.profile.outside)
        return embedder

    def _present(self) -> Embedder:
        if self._embedder is None:
            raise Unavailable(f"No vectors can be made: {self._reason}", code="embedder_unavailable")
        return self._embedder
