"""Storing texts in a caller's collection, with what that costs in the books."""

from collections.abc import Sequence

from anyio import to_thread

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.plugins.writer import Origin
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.model import Collection, DocumentDraft
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms

_INLINE_TEXTS = 50
_NO_EMBEDDER = "none"


class Teacher:
    """Stores texts: a few are findable at once, many in the background."""

    def __init__(
        self, knowledge: KnowledgeService, embed: EmbedService, counter: TokenCounter, meter: Meter
    ) -> None:
        self._knowledge = knowledge
        self._embed = embed
        self._counter = counter
        self._meter = meter

    async def store(
        self,
        caller: Caller,
        collection: Collection,
        texts: Sequence[tuple[DocumentDraft, str]],
        origin: Origin,
    ) -> int:
        """Stores the texts, each ``external_id`` at most once; gives the tokens they are.

        Raises:
            NotFound: the collection is gone.
        """
        if len(texts) <= _INLINE_TEXTS:
            for draft, text in texts:
                await self._knowledge.put_text(caller, collection.id, draft, text)
        else:
            await self._knowledge.import_texts(caller, collection.id, texts)
        profile = self._embed.profile
        model = profile.name if profile is not None else _NO_EMBEDDER
        counted = await self._counter.total([text for _, text in texts], model)
        usage = Usage(prompt_tokens=counted.tokens, estimated=counted.estimated)
        context = UsageContext(
            caller=caller,
            dialect=origin.dialect,
            application=origin.application,
            kind="ingest",
            started_at=now_ms(),
        )
        await to_thread.run_sync(lambda: self._meter.record(context, model=model, usage=usage, status=200))
        return counted.tokens
