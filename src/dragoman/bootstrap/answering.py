"""What answers need beside models: prices, fetched instructions, media as text, moderation, JSON checks."""

from contextlib import AsyncExitStack
from pathlib import Path

from dragoman.domain.agents.instructions import InstructionSources
from dragoman.domain.agents.lookup import Lookup
from dragoman.domain.agents.media import ParserText
from dragoman.domain.agents.run import RunnerParts
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.healing import Healer
from dragoman.domain.inference.moderation import LocalScorer
from dragoman.domain.inference.multimodal import MediaReader
from dragoman.domain.inference.pricing import PriceTable, TokenPrice
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.ports import Parser
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.tools.catalogue import ToolCatalogue
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.fetch import Fetcher
from dragoman.kit.processes import ChildPool
from dragoman.settings import Settings

_INSTRUCTION_BYTES = 10 * 1024 * 1024
_INSTRUCTION_SECONDS = 10.0
_CHECK_MEMORY_MB = 512
_CHECK_IDLE_SECONDS = 60.0


def price_table(settings: Settings) -> PriceTable:
    """The operator's prices."""
    return PriceTable(
        {
            name: TokenPrice(price.input, price.output, price.cached)
            for name, price in settings.prices.models.items()
        },
        settings.prices.uses,
    )


def _fetcher(policy: EgressPolicy, stack: AsyncExitStack, *, seconds: float, max_bytes: int) -> Fetcher:
    client = guarded_client(policy, timeout_seconds=seconds, max_bytes=max_bytes)
    stack.push_async_callback(client.aclose)
    return Fetcher(client)


def open_runner_parts(
    settings: Settings,
    *,
    catalogue: Catalogue,
    policy: EgressPolicy,
    prices: PriceTable,
    retriever: Retriever,
    embed: EmbedService,
    collections: CollectionsService,
    parser: Parser,
    speech: SpeechService,
    uploads: Path,
    tools: ToolCatalogue,
    stack: AsyncExitStack,
) -> RunnerParts:
    """The parts of the runner; what needs closing is given to the stack.

    Raises:
        InvalidInput: the settings name a model that is not there.
    """
    media = settings.media
    if media.vision_model:
        try:
            catalogue.resolve(media.vision_model)
        except NotFound as error:
            raise InvalidInput(f"media.vision_model: {error.detail}") from error
    pool = ChildPool(
        size=1, memory_mb=_CHECK_MEMORY_MB, idle_seconds=_CHECK_IDLE_SECONDS, name="json", env=None
    )
    stack.push_async_callback(pool.close)
    return RunnerParts(
        prices=prices,
        lookup=Lookup(retriever, embed),
        collections=collections,
        instructions=InstructionSources(
            _fetcher(policy, stack, seconds=_INSTRUCTION_SECONDS, max_bytes=_INSTRUCTION_BYTES)
        ),
        moderation=LocalScorer(embed),
        media=MediaReader(
            _fetcher(policy, stack, seconds=media.fetch_seconds, max_bytes=media.fetch_bytes),
            ParserText(parser, uploads),
            speech,
        ),
        healer=Healer(pool),
        tools=tools,
        vision_model=media.vision_model,
    )
