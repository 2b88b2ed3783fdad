"""Which embedder makes a collection's vectors, and how passages go to it."""

from collections.abc import Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import Embedder, Vectors
from dragoman.domain.knowledge.chunk import embedding_text
from dragoman.domain.knowledge.model import Collection, StoredPassage
from dragoman.domain.knowledge.repository import collections, documents


def embedder_of(embed: EmbedService, collection: Collection) -> Embedder | None:
    """The one that made the collection's vectors, or that is to make the first.

    None when it is not here, or may not see what is under the collection's label.
    """
    found = embed.named(collection.embedder_choice)
    if collection.embedder is not None:
        found = embed.made_by(collection.embedder)
    return found if found is None or embed.may_see(found.profile, collection.label) else None


def can_embed(connection: Connection, embed: EmbedService, collection_key: int) -> bool:
    """Whether vectors of what comes into the collection now can be made here."""
    collection = collections.by_key(connection, collection_key)
    return collection is not None and embedder_of(embed, collection) is not None


async def embedded(
    database: Database, embedder: Embedder, passages: Sequence[StoredPassage]
) -> tuple[list[str], Vectors]:
    """The names of the passages' documents, and the vectors of both."""
    found = await database.read(documents.by_keys, {passage.document_key for passage in passages})
    names = [
        found[passage.document_key].name if passage.document_key in found else "" for passage in passages
    ]
    texts = [
        embedding_text(passage.text, passage.heading_path, name)
        for passage, name in zip(passages, names, strict=True)
    ]
    return names, await embedder.embed_documents(texts)
