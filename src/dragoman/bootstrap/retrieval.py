"""What reading, embedding and finding documents need, from the settings and from what is installed."""

from contextlib import AsyncExitStack, suppress

import structlog
from pydantic import SecretStr

from dragoman.adapters.embedders.local import LocalEmbedder
from dragoman.adapters.embedders.openai import OpenAIEmbedder, OpenAIEmbedderSpec
from dragoman.adapters.parsers.file import FileParser
from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.adapters.parsers.pages import PdfPages, can_draw
from dragoman.adapters.rerankers.local import LocalReranker
from dragoman.adapters.tokenizers.loader import TokenizerLoader
from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import Embedder, Reranker
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ports import PassageIndex
from dragoman.domain.knowledge.reembed import Reembedding
from dragoman.domain.knowledge.repository import reembeddings
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import Unavailable
from dragoman.kit.processes import ChildPool
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_EMBED_IDLE_SECONDS = 60.0
_PARSE_IDLE_SECONDS = 30.0
_EMBED_SECONDS = 60.0
_EMBED_BYTES = 64 * 1024 * 1024
_DRAW_SECONDS = 20.0
_DEFAULT_DIMENSIONS = 1536


def passage_index(database: Database) -> PassageIndex:
    """The index that lives in this kind of database."""
    return PostgresIndex() if database.dialect == "postgresql" else SqliteIndex()


def open_parser(settings: Settings, stack: AsyncExitStack) -> FileParser:
    """The parser with its pool of child processes."""
    knowledge = settings.knowledge
    limits = ParserLimits(
        timeout_seconds=knowledge.parse_timeout_seconds,
        input_bytes=knowledge.max_upload_bytes,
        pages=knowledge.max_pages,
        members=knowledge.max_unzip_members,
        unpacked_bytes=knowledge.max_unzip_bytes,
        unpack_ratio=knowledge.max_unzip_ratio,
    )
    pool = ChildPool(
        size=knowledge.ingest_concurrency,
        memory_mb=knowledge.parse_memory_mb,
        idle_seconds=_PARSE_IDLE_SECONDS,
        name="parse",
        env=None,
    )
    stack.push_async_callback(pool.close)
    return FileParser(limits, pool)


def open_pages(settings: Settings, stack: AsyncExitStack) -> PdfPages | None:
    """What draws pages of documents, with its child process; None where it is not installed."""
    if not can_draw():
        return None
    pool = ChildPool(
        size=1,
        memory_mb=settings.knowledge.parse_memory_mb,
        idle_seconds=_PARSE_IDLE_SECONDS,
        name="pages",
        env=None,
    )
    stack.push_async_callback(pool.close)
    return PdfPages(pool, timeout_seconds=_DRAW_SECONDS)


def open_embedder(
    settings: Settings, policy: EgressPolicy, stack: AsyncExitStack
) -> tuple[Embedder | None, str | None]:
    """The embedder, or None and the reason why there is none."""
    embedding = settings.embedding
    if embedding.provider == "none":
        return None, "embedding.provider is none."
    if embedding.provider == "openai":
        assert embedding.base_url is not None
        assert embedding.model is not None
        api_key, dimensions = embedding.api_key, embedding.dimensions
        return _remote_embedder(
            policy,
            stack,
            embedding.base_url,
            embedding.model,
            api_key=api_key,
            dimensions=dimensions,
            outside=embedding.outside,
        ), None
    try:
        return _local_embedder(settings, stack), None
    except Unavailable as error:
        log.warning("embedder.unavailable", reason=error.detail)
        return None, error.detail


def other_embedders(settings: Settings, policy: EgressPolicy, stack: AsyncExitStack) -> dict[str, Embedder]:
    """Embedders beside the server's own, by name: those of the settings, and the local one where it is installed.

    With ``embedding.provider`` none there are no others: vectors are not wanted then.
    """
    if settings.embedding.provider == "none":
        return {}
    found: dict[str, Embedder] = {
        name: _remote_embedder(
            policy,
            stack,
            one.base_url,
            one.model,
            api_key=one.api_key,
            dimensions=one.dimensions,
            outside=one.outside,
        )
        for name, one in settings.embedding.others.items()
    }
    if settings.embedding.provider != "local":
        with suppress(Unavailable):
            found["local"] = _local_embedder(settings, stack)
    return found


async def embedder_report(settings: Settings) -> tuple[int, dict[str, int]]:
    """What ``Reembedding.summary`` tells, for a command that starts nothing else.

    Raises:
        Unavailable: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        database = open_database(settings.database_url, settings.data_dir)
        stack.push_async_callback(database.close)
        if not await database.read(reembeddings.are_known):
            return 0, {}
        policy = EgressPolicy.parse(settings.egress.allow, offline=settings.offline)
        embedder, reason = open_embedder(settings, policy, stack)
        embed = EmbedService(
            embedder,
            counter=TokenCounter(TokenizerLoader(settings.weights_dir)),
            reason=reason,
            others=other_embedders(settings, policy, stack),
        )
        indexing = Indexing(passage_index(database))
        return await Reembedding(
            database=database, indexing=indexing, embed=embed, wake=lambda: None
        ).summary()


def _local_embedder(settings: Settings, stack: AsyncExitStack) -> Embedder:
    embedding = settings.embedding
    pool = ChildPool(
        size=embedding.ingest_threads,
        memory_mb=None,
        idle_seconds=_EMBED_IDLE_SECONDS,
        name="embed",
        env=None,
    )
    stack.push_async_callback(pool.close)
    embedder = LocalEmbedder(settings.weights_dir, query_threads=embedding.query_threads, ingest_pool=pool)
    stack.callback(embedder.close)
    return embedder


def _remote_embedder(
    policy: EgressPolicy,
    stack: AsyncExitStack,
    base_url: str,
    model: str,
    *,
    api_key: SecretStr | None,
    dimensions: int | None,
    outside: bool,
) -> Embedder:
    client = guarded_client(policy.for_operator(), timeout_seconds=_EMBED_SECONDS, max_bytes=_EMBED_BYTES)
    stack.push_async_callback(client.aclose)
    spec = OpenAIEmbedderSpec(
        url=f"{base_url}/embeddings",
        model=model,
        dimensions=dimensions or _DEFAULT_DIMENSIONS,
        api_key=api_key.get_secret_value() if api_key is not None else None,
        send_dimensions=dimensions is not None,
        outside=outside,
    )
    return OpenAIEmbedder(client, spec)


def open_reranker(settings: Settings, stack: AsyncExitStack) -> Reranker | None:
    """The cross-encoder, or None when its weights or packages are not there."""
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=_EMBED_IDLE_SECONDS, name="rerank", env=None)
    stack.push_async_callback(pool.close)
    try:
        return LocalReranker(settings.weights_dir, pool=pool, threads=settings.embedding.query_threads)
    except Unavailable as error:
        log.info("reranker.unavailable", reason=error.detail)
        return None
