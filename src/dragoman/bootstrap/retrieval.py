"""What reading, embedding and finding documents need, from the settings and from what is installed."""

from contextlib import AsyncExitStack

import structlog

from dragoman.adapters.embedders.local import LocalEmbedder
from dragoman.adapters.embedders.openai import OpenAIEmbedder, OpenAIEmbedderSpec
from dragoman.adapters.parsers.file import FileParser
from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.adapters.parsers.pages import PdfPages, can_draw
from dragoman.adapters.rerankers.local import LocalReranker
from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.database import Database
from dragoman.domain.inference.ports import Embedder, Reranker
from dragoman.domain.knowledge.ports import PassageIndex
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
        return _remote_embedder(settings, policy, stack), None
    pool = ChildPool(
        size=embedding.ingest_threads,
        memory_mb=None,
        idle_seconds=_EMBED_IDLE_SECONDS,
        name="embed",
        env=None,
    )
    stack.push_async_callback(pool.close)
    try:
        embedder = LocalEmbedder(
            settings.weights_dir, query_threads=embedding.query_threads, ingest_pool=pool
        )
    except Unavailable as error:
        log.warning("embedder.unavailable", reason=error.detail)
        return None, error.detail
    stack.callback(embedder.close)
    return embedder, None


def _remote_embedder(settings: Settings, policy: EgressPolicy, stack: AsyncExitStack) -> Embedder:
    embedding = settings.embedding
    assert embedding.base_url is not None
    assert embedding.model is not None
    client = guarded_client(policy.for_operator(), timeout_seconds=_EMBED_SECONDS, max_bytes=_EMBED_BYTES)
    stack.push_async_callback(client.aclose)
    spec = OpenAIEmbedderSpec(
        url=f"{embedding.base_url}/embeddings",
        model=embedding.model,
        dimensions=embedding.dimensions or _DEFAULT_DIMENSIONS,
        api_key=embedding.api_key.get_secret_value() if embedding.api_key is not None else None,
        send_dimensions=embedding.dimensions is not None,
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
