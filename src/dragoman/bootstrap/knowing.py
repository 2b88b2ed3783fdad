"""Models and knowledge: what is asked, and what is searched."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.adapters.models.extractive import EmbedderJudge, ExtractiveModel
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.adapters.tokenizers.loader import TokenizerLoader
from dragoman.bootstrap.foundation import Foundation
from dragoman.bootstrap.machines import open_blobs
from dragoman.bootstrap.models import Models, open_catalogue
from dragoman.bootstrap.retrieval import (
    open_embedder,
    open_pages,
    open_parser,
    open_reranker,
    other_embedders,
    passage_index,
)
from dragoman.bootstrap.speech import open_speech
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.attached.service import AttachedFiles
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.copies import DocumentCopies
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import ChunkSizes, Ingestion
from dragoman.domain.knowledge.mending import IndexMending
from dragoman.domain.knowledge.recordings import RecordingParser, is_recording
from dragoman.domain.knowledge.reembed import Reembedding
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.knowledge.viewing import DocumentViewer


@dataclass(frozen=True, slots=True)
class Knowing:
    """Models, speech, and collections with all that reads, writes and searches them."""

    counter: TokenCounter
    catalogue: Catalogue
    models: Models
    embed: EmbedService
    speech: SpeechService
    parser: RecordingParser
    blobs: ObjectStoreBlobs
    uploads: Path
    ingestion: Ingestion
    retriever: Retriever
    collections: CollectionsService
    knowledge: KnowledgeService
    attached: AttachedFiles
    copies: DocumentCopies
    viewer: DocumentViewer
    reembedding: Reembedding
    mending: IndexMending


async def open_knowing(base: Foundation, *, wake: Callable[[], None]) -> Knowing:
    """Both, with the index made ready; ``wake`` tells the job runner that there is work.

    Raises:
        Unavailable: the database cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    settings, stack, database, policy = base.settings, base.stack, base.database, base.policy
    counter = TokenCounter(TokenizerLoader(settings.weights_dir))
    embedder, reason = open_embedder(settings, policy, stack)
    others = other_embedders(settings, policy, stack)
    embed = EmbedService(
        embedder, counter=counter, reason=reason, others=others, policies=base.labels.policies
    )
    extractive = ExtractiveModel(judge=EmbedderJudge(embedder) if embedder is not None else None)
    catalogue, models = open_catalogue(settings, policy, extractive, stack)
    index = passage_index(database)
    await database.write(index.prepare, 0)
    blobs = open_blobs(settings)
    uploads = settings.data_dir / "uploads"
    await to_thread.run_sync(lambda: uploads.mkdir(parents=True, exist_ok=True))
    indexing = Indexing(index)
    speech = open_speech(settings, policy, stack)
    parser = RecordingParser(open_parser(settings, stack), speech)
    ingestion = Ingestion(
        database=database,
        indexing=indexing,
        blobs=blobs,
        parser=parser,
        embed=embed,
        sizes=ChunkSizes(
            settings.knowledge.passage_tokens,
            settings.knowledge.passage_overlap_tokens,
            EstimateTokenizer().count,
        ),
        wake=wake,
        scratch=uploads,
        policies=base.labels.policies,
        leaves=lambda name, media_type: is_recording(name, media_type) and speech.listens_outside,
    )
    return Knowing(
        counter=counter,
        catalogue=catalogue,
        models=models,
        embed=embed,
        speech=speech,
        parser=parser,
        blobs=blobs,
        uploads=uploads,
        ingestion=ingestion,
        retriever=Retriever(
            database=database,
            index=index,
            embed=embed,
            reranker=open_reranker(settings, stack),
            told=base.metrics.stage,
        ),
        collections=CollectionsService(
            database=database,
            indexing=indexing,
            ingestion=ingestion,
            blobs=blobs,
            labels=base.labels,
        ),
        knowledge=KnowledgeService(
            database=database,
            indexing=indexing,
            ingestion=ingestion,
            blobs=blobs,
            limits=base.limits,
        ),
        attached=AttachedFiles(database, parser),
        copies=DocumentCopies(
            database=database,
            indexing=indexing,
            ingestion=ingestion,
            embed=embed,
            blobs=blobs,
            scratch=uploads,
        ),
        viewer=DocumentViewer(blobs=blobs, drawer=open_pages(settings, stack), scratch=uploads),
        reembedding=Reembedding(database=database, indexing=indexing, embed=embed, wake=wake),
        mending=IndexMending(database=database, indexing=indexing, wake=wake),
    )
