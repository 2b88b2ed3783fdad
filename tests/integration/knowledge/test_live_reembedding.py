"""A collection changes its embedder while it goes on answering, on both databases."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.adapters.blobs.obstore import local_blobs
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.bootstrap.retrieval import passage_index
from dragoman.db.database import Database
from dragoman.db.jobs import RunLater
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import Embedder, EmbedderProfile, Vectors
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge import reembed
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import ChunkSizes, Ingestion
from dragoman.domain.knowledge.model import Collection, DocumentDraft
from dragoman.domain.knowledge.reembed import FORGET, REEMBED, Reembedding
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.domain.knowledge.retrieve import Retrieval, RetrievalQuery, Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import Conflict, InvalidInput, NotFound, ProviderError

DIMENSIONS = 2039
# What each embedder knows to be alike, and the other does not.
ALIKE = {"old": ("teapot", "kettle"), "new": ("teapot", "samovar")}


class TasteEmbedder:
    """Vectors of one length; two words are the same to it, and its numbers mean nothing to the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls_left: int | None = None
        self.down = False

    @property
    def profile(self) -> EmbedderProfile:
        return EmbedderProfile(self.name, f"{self.name}@1/{DIMENSIONS}", DIMENSIONS, 512)

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise asyncio.CancelledError
            self.calls_left -= 1
        return await self.embed_queries(texts)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        if self.down:
            raise ProviderError("The embeddings provider cannot be reached.", retryable=True)
        one, same = ALIKE[self.name]
        rows = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                digest = hashlib.sha256(f"{self.name} {one if word == same else word}".encode()).digest()
                row[int.from_bytes(digest[:4]) % DIMENSIONS] += 1
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows


@dataclass
class House:
    """Everything that a collection needs, with some embedders."""

    database: Database
    caller: Caller
    collections: CollectionsService
    knowledge: KnowledgeService
    ingestion: Ingestion
    retriever: Retriever
    reembedding: Reembedding
    collection: Collection

    async def put(self, name: str, text: str, *, embeds: bool = True) -> None:
        """Stores a text and, unless told otherwise, does the job that makes its vectors."""
        stored = await self.knowledge.put_text(
            self.caller, self.collection.id, DocumentDraft(name, name), text
        )
        if embeds:
            await self.ingestion.embed([stored.document.key])

    async def ask(self, word: str) -> Retrieval:
        """What a search by meaning alone finds, if anything is like it."""
        query = RetrievalQuery((word,), (self.collection.id,), rerank="none", minimum_similarity=0.3)
        return await self.retriever.retrieve(self.caller, query)

    async def finds(self, word: str) -> list[str]:
        return [hit.document.name for hit in (await self.ask(word)).hits]

    async def work(self, kind: str = REEMBED) -> None:
        """Does the job once, as the runner does."""
        for payload in await self.database.read(_payloads, kind):
            await self.reembedding.handlers()[kind](payload)

    async def live(self) -> str | None:
        found = await self.database.read(collections.by_key, self.collection.key)
        assert found is not None
        return found.embedder


def _payloads(connection: Connection, kind: str) -> list[dict]:
    jobs = sa.table("jobs", sa.column("kind"), sa.column("payload", sa.JSON))
    return list(connection.execute(sa.select(jobs.c.payload).where(jobs.c.kind == kind)).scalars())


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(sa.text(f"select count(*) from {table}")).scalar_one())


def build(
    database: Database,
    folder: Path,
    caller: Caller,
    collection: Collection,
    embedder: Embedder | None,
    **others: Embedder,
) -> House:
    """A server's parts with these embedders, as after a start with such settings."""
    counter = TokenCounter(lambda _: EstimateTokenizer())
    embed = EmbedService(embedder, counter=counter, others=others)
    index = passage_index(database)
    indexing = Indexing(index)
    blobs = local_blobs(folder / "blobs")
    ingestion = Ingestion(
        database=database,
        indexing=indexing,
        blobs=blobs,
        parser=None,  # type: ignore[arg-type]
        embed=embed,
        sizes=ChunkSizes(200, 30, lambda text: len(text) // 4),
        wake=lambda: None,
    )
    return House(
        database,
        caller,
        CollectionsService(database=database, indexing=indexing, ingestion=ingestion, blobs=blobs),
        KnowledgeService(database=database, indexing=indexing, ingestion=ingestion, blobs=blobs),
        ingestion,
        Retriever(database=database, index=index, embed=embed, reranker=None),
        Reembedding(database=database, indexing=indexing, embed=embed, wake=lambda: None),
        collection,
    )


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few documents are several batches."""
    monkeypatch.setattr(reembed, "_BATCH", 8)


@pytest.fixture
async def ana(database: Database) -> Caller:
    accounts = AccountsService(database, RootKey(b"k" * 32))
    await accounts.admin.create_user(NewUser("ana@example.org"))
    await database.write(passage_index(database).prepare, 0)
    return await accounts.admin.caller("ana@example.org")


@pytest.fixture
async def collection(database: Database, ana: Caller, tmp_path: Path) -> Collection:
    made = build(database, tmp_path, ana, None, None)  # type: ignore[arg-type]
    return await made.collections.create(ana, "Kitchen")


@pytest.fixture
async def old(database: Database, ana: Caller, collection: Collection, tmp_path: Path) -> House:
    """The server before the change: the teapot is found for a kettle."""
    house = build(database, tmp_path, ana, collection, TasteEmbedder("old"))
    await house.put("pot", "teapot")
    for number in range(20):
        await house.put(f"filler {number}", f"gravel{number} fjord{number}", embeds=number % 2 == 0)
    assert await house.finds("kettle") == ["pot"]
    return house


def after_change(old: House, tmp_path: Path, new: TasteEmbedder) -> House:
    """The server as it is started with the new embedder, the old one still named in its settings."""
    return build(old.database, tmp_path, old.caller, old.collection, new, before=TasteEmbedder("old"))


async def test_the_old_vectors_answer_until_all_new_ones_are_there(old: House, tmp_path: Path) -> None:
    changed = TasteEmbedder("new")
    house = after_change(old, tmp_path, changed)
    await house.reembedding.catch_up()

    changed.calls_left = 1
    with pytest.raises(asyncio.CancelledError):
        await house.work()
    state = await house.reembedding.state(house.caller, house.collection.id)
    assert (state.embedder, state.next, state.state, state.done, state.total) == (
        "old",
        "new",
        "running",
        8,
        21,
    )
    assert await house.finds("kettle") == ["pot"]
    assert await house.finds("samovar") == []

    changed.calls_left = None
    await house.work()
    state = await house.reembedding.state(house.caller, house.collection.id)
    assert (state.embedder, state.next, state.state) == ("new", None, "settled")
    assert await house.finds("samovar") == ["pot"]
    assert await house.finds("kettle") == []


async def test_what_was_made_before_a_kill_is_not_made_again(old: House, tmp_path: Path) -> None:
    killed = TasteEmbedder("new")
    killed.calls_left = 2
    house = after_change(old, tmp_path, killed)
    await house.reembedding.catch_up()
    with pytest.raises(asyncio.CancelledError):
        await house.work()

    restarted = TasteEmbedder("new")
    restarted.calls_left = 1  # 21 passages in batches of 8: two were stored, one is left
    house = after_change(old, tmp_path, restarted)
    await house.reembedding.catch_up()
    await house.work()
    assert await house.finds("samovar") == ["pot"]


async def test_documents_of_meanwhile_are_found_before_and_after_the_switch(
    old: House, tmp_path: Path
) -> None:
    changed = TasteEmbedder("new")
    house = after_change(old, tmp_path, changed)
    await house.reembedding.catch_up()
    changed.calls_left = 1
    with pytest.raises(asyncio.CancelledError):
        await house.work()
    await house.put("late", "teapot")
    await house.put("later", "teapot", embeds=False)
    deleted = await house.database.read(documents.find, house.collection.key, "pot")
    assert deleted is not None
    await house.knowledge.delete_document(house.caller, house.collection.id, deleted.id)
    assert await house.finds("kettle") == ["late"]

    changed.calls_left = None
    await house.work()
    assert sorted(await house.finds("samovar")) == ["late", "later"]
    found = await house.database.read(documents.find_many, house.collection.key, ["late", "later"])
    assert {document.state for document in found.values()} == {"indexed"}
    assert all(document.embedded_count == document.passage_count for document in found.values())


async def test_vectors_made_by_the_old_embedder_after_the_switch_are_not_kept(
    old: House, tmp_path: Path
) -> None:
    house = after_change(old, tmp_path, TasteEmbedder("new"))
    await house.put("late", "teapot", embeds=False)
    late = await house.database.read(documents.find, house.collection.key, "late")
    assert late is not None
    passages = await house.database.read(documents.passages_of, late.key)
    before = TasteEmbedder("old")
    vectors = await before.embed_documents([passage.text for passage in passages])
    await house.reembedding.catch_up()
    await house.work()

    store = old.ingestion._indexing.store_vectors
    names = ["late"] * len(passages)
    await house.database.write(store, passages, names, vectors, profile=before.profile, at=1)
    assert await house.live() == TasteEmbedder("new").profile.fingerprint
    assert sorted(await house.finds("samovar")) == ["late", "pot"]


async def test_old_vectors_go_after_the_switch_and_the_new_ones_stay(old: House, tmp_path: Path) -> None:
    house = after_change(old, tmp_path, TasteEmbedder("new"))
    await house.reembedding.catch_up()
    await house.work()
    first, second = f"passage_vectors_{DIMENSIONS}", f"passage_vectors_{DIMENSIONS}_1"
    assert await house.database.read(_count, second) == 21
    await house.work(FORGET)
    assert await house.database.read(_count, first) == 0
    assert await house.database.read(_count, second) == 21
    assert await house.database.read(_count, "reembedded_passages") == 0


async def test_without_the_old_embedder_words_are_found_and_it_is_said(old: House, tmp_path: Path) -> None:
    changed = TasteEmbedder("new")
    changed.down = True
    house = build(old.database, tmp_path, old.caller, old.collection, changed)
    await house.reembedding.catch_up()
    with pytest.raises(RunLater):
        await house.work()

    found = await house.ask("teapot")
    assert [hit.document.name for hit in found.hits] == ["pot"]
    assert found.vectors_down
    assert await house.reembedding.summary() == (1, {"old": 1})
    state = await house.reembedding.state(house.caller, house.collection.id)
    assert (state.available, state.state, state.detail) == (
        False,
        "waiting",
        "The embeddings provider cannot be reached.",
    )
    await house.put("late", "cobalt teapot")
    late = await house.database.read(documents.find, house.collection.key, "late")
    assert late is not None
    assert late.state == "indexed"

    changed.down = False
    await house.work()
    assert sorted(await house.finds("samovar")) == ["late", "pot"]
    assert await house.reembedding.summary() == (0, {})


async def test_a_server_without_any_embedder_keeps_the_vectors_for_later(old: House, tmp_path: Path) -> None:
    without = build(old.database, tmp_path, old.caller, old.collection, None)
    await without.reembedding.catch_up()
    await without.ingestion.catch_up()
    assert await without.finds("teapot") == ["pot"]
    again = build(old.database, tmp_path, old.caller, old.collection, TasteEmbedder("old"))
    assert await again.finds("kettle") == ["pot"]


async def test_one_collection_has_another_embedder_than_the_rest(old: House, tmp_path: Path) -> None:
    other = await old.collections.create(old.caller, "Shed")
    house = build(
        old.database, tmp_path, old.caller, old.collection, TasteEmbedder("old"), taste=TasteEmbedder("new")
    )
    shed = build(old.database, tmp_path, old.caller, other, TasteEmbedder("old"), taste=TasteEmbedder("new"))
    await shed.put("urn", "teapot")
    started = await house.reembedding.start(house.caller, house.collection.id, "taste")
    assert (started.next, started.total) == ("new", 21)
    await house.work()
    await house.reembedding.catch_up()

    assert await house.finds("samovar") == ["pot"]
    assert await shed.finds("kettle") == ["urn"]
    both = RetrievalQuery(("teapot",), (house.collection.id, other.id), rerank="none", minimum_similarity=0.3)
    found = (await house.retriever.retrieve(house.caller, both)).hits
    assert {hit.document.name for hit in found} == {"pot", "urn"}
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)


async def test_a_change_can_be_stopped_and_turned_round(old: House, tmp_path: Path) -> None:
    changed = TasteEmbedder("new")
    house = after_change(old, tmp_path, changed)
    await house.reembedding.catch_up()
    changed.calls_left = 1
    with pytest.raises(asyncio.CancelledError):
        await house.work()
    stopped = await house.reembedding.cancel(house.caller, house.collection.id)
    assert (stopped.embedder, stopped.choice, stopped.next) == ("old", "before", None)
    await house.work(FORGET)
    assert await house.database.read(_count, f"passage_vectors_{DIMENSIONS}_1") == 0
    await house.reembedding.catch_up()
    assert await house.finds("kettle") == ["pot"]
    with pytest.raises(Conflict):
        await house.reembedding.cancel(house.caller, house.collection.id)

    changed.calls_left = None
    await house.reembedding.start(house.caller, house.collection.id, None)
    await house.work()
    await house.reembedding.start(house.caller, house.collection.id, "before")
    await house.work()
    await house.work(FORGET)
    assert await house.finds("kettle") == ["pot"]
    assert await house.finds("samovar") == []


async def test_unknown_embedders_and_others_collections_are_refused(old: House, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there are: default"):
        await old.reembedding.start(old.caller, old.collection.id, "nobody")
    accounts = AccountsService(old.database, RootKey(b"k" * 32))
    await accounts.admin.create_user(NewUser("ben@example.org"))
    ben = await accounts.admin.caller("ben@example.org")
    with pytest.raises(NotFound):
        await old.reembedding.start(ben, old.collection.id, None)
    assert await old.reembedding.states(ben) == []


async def test_searches_never_fail_nor_miss_while_the_switch_happens(old: House, tmp_path: Path) -> None:
    house = after_change(old, tmp_path, TasteEmbedder("new"))
    await house.reembedding.catch_up()
    seen: list[list[str]] = []
    done = asyncio.Event()

    async def search() -> None:
        while not done.is_set():
            seen.append(await house.finds("teapot"))

    async with asyncio.TaskGroup() as group:
        group.create_task(search())
        await house.work()
        done.set()
    assert await house.live() == TasteEmbedder("new").profile.fingerprint
    assert all(names == ["pot"] for names in seen)
    assert seen
