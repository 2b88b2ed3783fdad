"""Whoever asks, however they search, finds just what they may read: compared with a plain look at who may what.

``DRAGOMAN_RETRIEVAL_CASES`` sets how many random questions are asked of each database.
"""

import hashlib
import os
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.bootstrap.services import Running, open_running
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import EmbedderProfile, Vectors
from dragoman.domain.knowledge.access import DocumentAccess
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.model import Document, DocumentDraft
from dragoman.domain.knowledge.repository import documents as repository
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.domain.knowledge.retrieve import RerankMode, RetrievalQuery, Retriever
from dragoman.kit.errors import Conflict, DragomanError, Forbidden, NotFound
from dragoman.settings import Settings

CASES = int(os.environ.get("DRAGOMAN_RETRIEVAL_CASES", "300"))
_DIMENSIONS = 48
_ROLES = ("owner", "admin", "editor", "viewer", "editor")
_SHARED = ("harbour", "ledger", "basil", "cobalt")


class WordEmbedder:
    """The same words, the same vector."""

    @property
    def profile(self) -> EmbedderProfile:
        return EmbedderProfile("words", "words-1", _DIMENSIONS, 512)

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        rows = np.full((len(texts), _DIMENSIONS), 0.01, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[hashlib.sha256(word.encode()).digest()[0] % _DIMENSIONS] += 1
            row /= float(np.linalg.norm(row))
        return rows

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(texts)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(texts)


class LastFirst:
    """A reranker that turns the order round."""

    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        return [float(place) for place in range(len(passages))]


@dataclass
class Shelf:
    """A collection: its owner, who may search it, and of its documents who may read them."""

    id: str
    owner: Caller
    visibility: str
    readers: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    documents: dict[str, DocumentAccess] = field(default_factory=dict)

    def seen_by(self, caller: Caller, groups: frozenset[str]) -> bool:
        same = caller.organisation_id == self.owner.organisation_id
        return (
            caller.user_id == self.owner.user_id
            or (same and self.visibility == "organisation")
            or caller.email in self.readers
            or bool(groups & set(self.groups))
        )

    def readable(self, caller: Caller, groups: frozenset[str], name: str) -> bool:
        access = self.documents[name]
        if not self.seen_by(caller, groups):
            return False
        if not access.restricted:
            return True
        if caller.visitor or caller.key_kind == "public":
            return False
        administers = self.readers.get(caller.email) == "admin" or any(
            self.groups.get(group) == "admin" for group in groups
        )
        of_role = caller.role in access.roles and caller.organisation_id == self.owner.organisation_id
        return (
            caller.user_id == self.owner.user_id
            or administers
            or caller.email in access.users
            or bool(groups & set(access.groups))
            or of_role
        )


@dataclass
class World:
    """Two organisations with people, groups and shelves, and what a search is made of."""

    running: Running
    people: list[Caller]
    groups: dict[str, frozenset[str]]
    shelves: list[Shelf]
    index: SqliteIndex | PostgresIndex

    def retriever(self) -> Retriever:
        embed = EmbedService(WordEmbedder(), counter=self.running.services.tokens)
        return Retriever(database=self.running.database, index=self.index, embed=embed, reranker=LastFirst())

    def allowed(self, caller: Caller, shelves: Sequence[Shelf]) -> set[str]:
        groups = self.groups[caller.email]
        return {name for shelf in shelves for name in shelf.documents if shelf.readable(caller, groups, name)}


async def _people(running: Running, dice: random.Random) -> tuple[list[Caller], dict[str, frozenset[str]]]:
    accounts, people = running.services.accounts, list[Caller]()
    groups: dict[str, frozenset[str]] = {}
    for house in ("acme", "brine"):
        organisation = (await accounts.tenants.create(house)).id
        for number, role in enumerate(_ROLES):
            email = f"{role}{number}@{house}.example"
            await accounts.admin.create_user(NewUser(email, house, role))
            people.append(await accounts.admin.caller(email))
        steward = Steward(organisation)
        for group in ("red", "blue"):
            await accounts.groups.create(steward, group)
        for caller in (one for one in people if one.organisation_id == organisation):
            mine = frozenset(f"{house} {group}" for group in ("red", "blue") if dice.random() < 0.4)
            groups[caller.email] = mine
            for group in mine:
                await accounts.groups.add(steward, group.split()[1], caller.email)
    return people, groups


async def _shelf(world: World, dice: random.Random, number: int, owner: Caller) -> Shelf:
    services = world.running.services
    visibility = dice.choice(("private", "organisation", "organisation"))
    made = await services.collections.create(owner, f"shelf {number}")
    shelf = Shelf(made.id, owner, visibility)
    if visibility == "organisation":
        await services.sharing.open_to_organisation(owner, made.id, opened=True)
    house = owner.email.partition("@")[2].partition(".")[0]
    colleagues = [
        one for one in world.people if one.organisation_id == owner.organisation_id and one != owner
    ]
    for one in dice.sample(colleagues, 2):
        shelf.readers[one.email] = dice.choice(("read", "read", "edit", "admin"))
        await services.sharing.grant(owner, made.id, one.email, shelf.readers[one.email])  # pyright: ignore[reportArgumentType]
    if dice.random() < 0.5:
        shelf.groups[f"{house} red"] = dice.choice(("read", "admin"))
        await services.sharing.grant_group(owner, made.id, "red", shelf.groups[f"{house} red"])  # pyright: ignore[reportArgumentType]
    for place in range(5):
        name = f"d{number}x{place}"
        text = f"{name}word {dice.choice(_SHARED)} {dice.choice(_SHARED)}"
        stored = await services.knowledge.put_text(owner, made.id, DocumentDraft(name, name, "same"), text)
        shelf.documents[name] = await _restricted(world, dice, shelf, stored.document, colleagues, house)
    await _embedded(world, made.key)
    return shelf


async def _restricted(
    world: World,
    dice: random.Random,
    shelf: Shelf,
    document: Document,
    colleagues: Sequence[Caller],
    house: str,
) -> DocumentAccess:
    if dice.random() < 0.4:
        return DocumentAccess(False)
    users = tuple(one.email for one in dice.sample(colleagues, dice.choice((0, 0, 1, 2))))
    groups = ("blue",) if dice.random() < 0.3 else ()
    roles = (dice.choice(("admin", "editor", "viewer")),) if dice.random() < 0.3 else ()
    wanted = DocumentAccess(True, users, groups, roles)
    await world.running.services.document_access.put(shelf.owner, shelf.id, document.id, wanted)
    return replace(wanted, groups=tuple(f"{house} {group}" for group in groups))


async def _embedded(world: World, collection_key: int) -> None:
    database, embedder = world.running.database, WordEmbedder()
    found = await database.read(repository.keys_after, collection_key, 0, limit=100)
    for document in found:
        passages = await database.read(repository.passages_of, document.key)
        await database.write(
            Indexing(world.index).store_vectors,
            passages,
            [document.name] * len(passages),
            await embedder.embed_documents([passage.text for passage in passages]),
            profile=embedder.profile,
            at=1,
        )


@pytest.fixture
async def people(database_url: str | None, data_dir: Path, anyio_backend: str) -> AsyncGenerator[World]:
    """The two organisations without anything on shelves."""
    given = {"embedding": {"provider": "none"}, "models": {"local": {"enabled": False}}}
    url = {"database": {"url": database_url}} if database_url is not None else {}
    settings = Settings.model_validate({"data_dir": data_dir, **given, **url})
    # Half of the vectors are found by their codes first.
    index = SqliteIndex(exact_rows=10) if database_url is None else PostgresIndex(exact_rows=10)
    async with open_running(settings, work=False) as running:
        callers, groups = await _people(running, random.Random(20))
        yield World(running, callers, groups, [], index)


@pytest.fixture
async def world(people: World) -> World:
    dice = random.Random(21)
    for number, owner in enumerate(one for one in people.people if one.role != "viewer"):
        people.shelves.append(await _shelf(people, dice, number, owner))
    return people


def _asker(dice: random.Random, people: Sequence[Caller]) -> Caller:
    caller = dice.choice(people)
    kind = dice.random()
    if kind < 0.1:
        return replace(caller, visitor=True)
    return replace(caller, key_id="k", key_kind="public") if kind < 0.2 else caller


async def test_random_questions_find_all_that_the_asker_may_read_and_nothing_else(world: World) -> None:
    dice, retriever = random.Random(7), world.retriever()
    modes: tuple[RerankMode, ...] = get_args(RerankMode)
    found_some = 0
    for case in range(CASES):
        caller = _asker(dice, world.people)
        named = dice.sample(world.shelves, dice.randint(1, 4)) if dice.random() < 0.6 else None
        among = world.shelves if named is None else named
        sought = dice.choice([name for shelf in among for name in shelf.documents])
        words = dice.choice(([f"{sought}word"], [*_SHARED], [f"{sought}word", dice.choice(_SHARED)]))
        mode = dice.choice(modes)
        query = RetrievalQuery(
            terms=tuple(words) if dice.random() < 0.3 else (" ".join(words),),
            collection_ids=None if named is None else tuple(shelf.id for shelf in named),
            limit=dice.choice((3, 60)),
            rerank=mode,
            minimum_similarity=dice.choice((0.0, 0.1)),
            one_per_document=dice.random() < 0.3,
            skip_missing=True,
        )
        names = {hit.document.name for hit in (await retriever.retrieve(caller, query)).hits}
        allowed = world.allowed(caller, among)
        assert names <= allowed, f"case {case}: {caller} with {query} found {names - allowed}"
        # By meaning alone everything is near enough, so that all of it comes.
        if mode == "none" and query.limit == 60 and not query.minimum_similarity:
            assert names == allowed, f"case {case}: {caller} with {query} missed {allowed - names}"
        if f"{sought}word" in words and sought in allowed and query.limit == 60 and mode != "none":
            assert sought in names, f"case {case}: {caller} with {query} missed {sought}"
        found_some += bool(names)
    assert found_some > CASES / 3


async def test_lists_counts_texts_and_siblings_hold_what_may_be_read(world: World) -> None:
    knowledge, copies = world.running.services.knowledge, world.running.services.copies
    collections = world.running.services.collections
    retriever = world.retriever()
    refused = 0
    for caller in world.people[::2]:
        seen = await collections.visible(caller)
        assert {one.id for one in seen} == {
            shelf.id for shelf in world.shelves if shelf.seen_by(caller, world.groups[caller.email])
        }
        counts = await collections.counts(caller, seen)
        for collection in seen:
            shelf = next(one for one in world.shelves if one.id == collection.id)
            allowed = world.allowed(caller, [shelf])
            listed = await knowledge.documents(caller, shelf.id, DocumentFilter())
            assert {one.name for one in listed} == allowed
            assert {one.name for one in await copies.all(caller, shelf.id)} == allowed
            assert set(await copies.by_external_ids(caller, shelf.id, list(shelf.documents))) == allowed
            assert counts[collection.key].total == len(allowed)
            assert {one.name async for one, _ in await knowledge.export(caller, shelf.id)} == allowed
            hits = (await retriever.retrieve(caller, RetrievalQuery(("harbour",), (shelf.id,)))).hits
            for hit in hits:
                others = {one.name for one, _ in await retriever.siblings(caller, hit)}
                assert others == allowed - {hit.document.name}
            for document in await copies.all(shelf.owner, shelf.id):
                if document.name in allowed:
                    continue
                refused += 1
                for reading in (knowledge.document, knowledge.passages):
                    with pytest.raises(NotFound):
                        await reading(caller, shelf.id, document.id)
                with pytest.raises((NotFound, Forbidden)):
                    await knowledge.delete_document(caller, shelf.id, document.id)
                assert await copies.named(caller, shelf.id, document.name) == []
    assert refused > 10


async def test_an_editor_cannot_replace_or_clear_away_what_is_hidden_from_them(people: World) -> None:
    services = people.running.services
    owner, editor = (next(one for one in people.people if one.role == role) for role in ("owner", "editor"))
    made = await services.collections.create(owner, "guarded")
    await services.sharing.grant(owner, made.id, editor.email, "edit")
    for name in ("open", "hidden"):
        stored = await services.knowledge.put_text(owner, made.id, DocumentDraft(name, name), f"{name} text")
        if name == "hidden":
            await services.document_access.put(owner, made.id, stored.document.id, DocumentAccess(True))
    draft = DocumentDraft("hidden", "hidden")
    with pytest.raises(Conflict):
        await services.knowledge.put_text(editor, made.id, draft, "mine")
    with pytest.raises(Conflict):
        await services.knowledge.import_texts(editor, made.id, [(draft, "mine")])
    kept = [(DocumentDraft("new", "new"), "new")]
    assert (await services.knowledge.import_texts(editor, made.id, kept, delete_absent=True)).deleted == 1
    await services.collections.reset(editor, made.id)
    left = await services.knowledge.documents(owner, made.id, DocumentFilter())
    assert [one.name for one in left] == ["hidden"]


async def test_a_copy_keeps_its_readers(people: World) -> None:
    services = people.running.services
    owner = next(one for one in people.people if one.role == "owner")
    source = await services.collections.create(owner, "from")
    target = await services.collections.create(owner, "to")
    stored = await services.knowledge.put_text(owner, source.id, DocumentDraft("a", "a"), "a text")
    wanted = DocumentAccess(True, groups=("red",), roles=("viewer",))
    await services.document_access.put(owner, source.id, stored.document.id, wanted)
    document = (await services.copies.all(owner, source.id))[0]
    copied = await services.copies.copy(owner, document, target.id)
    assert await services.document_access.get(owner, target.id, copied.id) == wanted


async def test_access_is_set_by_who_may_share_only_and_names_what_is_wrong(people: World) -> None:
    services = people.running.services
    owner, editor = (next(one for one in people.people if one.role == role) for role in ("owner", "editor"))
    made = await services.collections.create(owner, "asked")
    await services.sharing.grant(owner, made.id, editor.email, "edit")
    stored = await services.knowledge.put_text(owner, made.id, DocumentDraft("a", "a"), "a text")
    access = services.document_access
    with pytest.raises(Forbidden):
        await access.put(editor, made.id, stored.document.id, DocumentAccess(True))
    for wrong in (
        DocumentAccess(True, users=("nobody@acme.example",)),
        DocumentAccess(True, users=("editor2@brine.example",)),
        DocumentAccess(True, groups=("green",)),
        DocumentAccess(True, roles=("king",)),
        DocumentAccess(False, roles=("viewer",)),
    ):
        with pytest.raises(DragomanError) as refused:
            await access.put(owner, made.id, stored.document.id, wrong)
        assert refused.value.status in (400, 404)
    assert not (await access.get(owner, made.id, stored.document.id)).restricted
