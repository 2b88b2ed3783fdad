"""Documents, their stored files and their index entries come and go together, whoever else is at work."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

import samples
from dragoman.bootstrap.services import Running, open_running
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.model import Collection, Document, DocumentDraft
from dragoman.domain.knowledge.repository.documents import DocumentFilter, referenced_blobs
from dragoman.domain.knowledge.retrieve import RetrievalQuery
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.settings import Settings


@dataclass
class Library:
    """One collection and its owner."""

    running: Running
    caller: Caller
    collection: Collection
    folder: Path

    async def put_file(self, name: str, content: bytes) -> Document:
        """Stores a file; reading follows in the background."""
        path = self.folder / "incoming"
        path.write_bytes(content)
        knowledge = self.running.services.knowledge
        draft = DocumentDraft(name, name)
        return (
            await knowledge.put_file(self.caller, self.collection.id, draft, path, media_type=None)
        ).document

    async def put_text(self, name: str, text: str) -> Document:
        """Stores a text."""
        knowledge = self.running.services.knowledge
        return (
            await knowledge.put_text(self.caller, self.collection.id, DocumentDraft(name, name), text)
        ).document

    async def documents(self) -> list[Document]:
        """All documents once none waits."""
        async with asyncio.timeout(20):
            while True:
                found = await self.running.services.knowledge.documents(
                    self.caller, self.collection.id, DocumentFilter()
                )
                if all(document.state in ("indexed", "failed") for document in found):
                    return found
                await asyncio.sleep(0.02)

    async def finds(self, word: str) -> list[str]:
        """Names of the documents that a search for the word finds."""
        query = RetrievalQuery((word,), (self.collection.id,))
        found = await self.running.services.retriever.retrieve(self.caller, query)
        return [hit.document.name for hit in found.hits if word in hit.passage.text]

    def files(self) -> list[str]:
        """The stored files' keys."""
        root = self.folder / "blobs"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    async def rows(self, *tables: str) -> dict[str, int]:
        """How many rows the tables have."""

        def count(connection: Connection) -> dict[str, int]:
            return {
                table: int(connection.execute(sa.text(f"select count(*) from {table}")).scalar_one())
                for table in tables
            }

        return await self.running.database.read(count)


@pytest.fixture
async def library(database_url: str | None, data_dir: Path, anyio_backend: str) -> AsyncGenerator[Library]:
    values: dict[str, Any] = {
        "data_dir": data_dir,
        "embedding": {"provider": "none"},
        "models": {"local": {"enabled": False}},
        "database": {"url": database_url},
    }
    async with open_running(Settings.model_validate(values), work=True) as running:
        admin = running.services.accounts.admin
        user = await admin.create_user(NewUser("ana@example.org"))
        caller = await admin.caller(user.email)
        collection = await running.services.collections.create(caller, "books")
        yield Library(running, caller, collection, data_dir)


async def test_a_file_in_the_place_of_another_takes_the_older_one_away(library: Library) -> None:
    await library.put_file("a.md", b"# One\n\nabout walrus")
    await library.documents()
    await library.put_file("a.docx", samples.docx([("", "about badger")]))
    await library.put_file("a.md", b"# Two\n\nabout marmot")
    documents = await library.documents()
    assert {document.blob_key for document in documents} == set(library.files())
    assert (await library.finds("walrus"), await library.finds("marmot")) == ([], ["a.md"])


_BROKEN = b"%PDF-1.7 broken"


async def test_what_cannot_be_read_leaves_in_force_what_it_was_to_replace(library: Library) -> None:
    await library.put_file("a.md", b"about walrus")
    (old,) = await library.documents()
    await library.put_file("a.md", _BROKEN)
    (document,) = await library.documents()
    assert (document.state, document.blob_key, document.sha256, document.size) == (
        "indexed", old.blob_key, old.sha256, old.size,
    )  # fmt: skip
    assert "damaged" in str(document.state_detail)
    assert library.files() == [old.blob_key]
    assert await library.finds("walrus") == ["a.md"]
    assert await library.rows("document_standings") == {"document_standings": 0}
    await library.put_file("a.md", b"about marmot")
    (document,) = await library.documents()
    assert (document.state, document.state_detail) == ("indexed", None)
    assert library.files() == [document.blob_key]
    assert (await library.finds("walrus"), await library.finds("marmot")) == ([], ["a.md"])


async def test_what_was_read_last_stays_through_many_that_cannot_be_read(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = library.running.ingestion._parser
    parse, free = type(parser).parse, asyncio.Event()

    async def held(self: object, *args: Any, **kwargs: Any) -> Any:
        await free.wait()
        return await parse(parser, *args, **kwargs)

    await library.put_file("a.md", b"about walrus")
    (old,) = await library.documents()
    monkeypatch.setattr(type(parser), "parse", held)
    first = await library.put_file("a.md", _BROKEN)
    second = await library.put_file("a.md", _BROKEN + b" again")
    files = library.files()
    assert files == sorted([str(old.blob_key), str(second.blob_key)])
    assert first.blob_key not in files
    assert await library.running.database.read(referenced_blobs, files) == set(files)
    assert await library.finds("walrus") == ["a.md"]
    free.set()
    (document,) = await library.documents()
    assert (document.state, document.blob_key) == ("indexed", old.blob_key)
    assert library.files() == [old.blob_key]


async def test_a_text_ends_the_wait_for_a_file_that_was_to_replace_another(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion = library.running.ingestion
    parser = ingestion._parser
    free = asyncio.Event()

    async def held(self: object, *args: Any, **kwargs: Any) -> Any:
        await free.wait()
        raise InvalidInput("unreadable")

    await library.put_file("a.md", b"about walrus")
    await library.documents()
    monkeypatch.setattr(type(parser), "parse", held)
    late = await library.put_file("a.md", b"about badger")
    await library.put_text("a.md", "about marmot")
    free.set()
    await ingestion.fail(late.key, late.version, "too late")
    (document,) = await library.documents()
    assert (document.state, document.blob_key) == ("indexed", None)
    assert await library.finds("marmot") == ["a.md"]
    assert await library.rows("document_standings") == {"document_standings": 0}
    await library.running.leftovers.sweep(before_ms=now_ms() + 1000)
    assert library.files() == []


async def test_a_document_that_goes_takes_what_was_kept_of_it_along(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = library.running.ingestion._parser
    free = asyncio.Event()

    async def held(self: object, *args: Any, **kwargs: Any) -> Any:
        await free.wait()
        raise InvalidInput("unreadable")

    await library.put_file("a.md", b"about walrus")
    await library.documents()
    monkeypatch.setattr(type(parser), "parse", held)
    document = await library.put_file("a.md", b"about badger")
    await library.running.services.knowledge.delete_document(
        library.caller, library.collection.id, document.id
    )
    free.set()
    assert await library.documents() == []
    assert await library.rows("document_standings") == {"document_standings": 0}
    await library.running.leftovers.sweep(before_ms=now_ms() + 1000)
    assert library.files() == []


async def test_a_text_in_the_place_of_a_file_takes_the_file_away(library: Library) -> None:
    await library.put_file("a.md", b"about walrus")
    await library.documents()
    await library.put_text("a.md", "about marmot")
    assert library.files() == []
    assert (await library.finds("walrus"), await library.finds("marmot")) == ([], ["a.md"])


async def test_reading_that_ends_after_a_change_leaves_the_newer_content_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion = library.running.ingestion
    old = await library.put_file("a.md", b"about walrus")
    await library.documents()
    parser = ingestion._parser
    parse = type(parser).parse

    async def slow(self: object, *args: Any, **kwargs: Any) -> Any:
        await library.put_text("a.md", "about marmot")
        return await parse(parser, *args, **kwargs)

    monkeypatch.setattr(type(parser), "parse", slow)
    await ingestion._database.write(_requeue, old.key)
    await ingestion.read_file(old.key, old.version)
    (document,) = await library.documents()
    assert document.version == old.version + 1
    assert document.state == "indexed"
    assert (await library.finds("walrus"), await library.finds("marmot")) == ([], ["a.md"])


def _requeue(connection: Connection, key: int) -> None:
    connection.execute(sa.text("update documents set state = 'queued' where key = :key"), {"key": key})


async def test_a_failure_of_an_older_version_does_not_mark_the_newer_one(library: Library) -> None:
    old = await library.put_text("a", "about walrus")
    await library.put_text("a", "about marmot")
    await library.running.ingestion.fail(old.key, old.version, "too late")
    (document,) = await library.documents()
    assert (document.state, document.state_detail) == ("indexed", None)


async def test_the_same_document_from_many_writers_at_once_is_there_once(library: Library) -> None:
    async with asyncio.timeout(20):
        for turn in range(4):
            await asyncio.gather(
                *(library.put_text("a", f"about marmot {turn} {number}") for number in range(6))
            )
    (document,) = await library.documents()
    rows = await library.rows("documents", "document_texts", "passages", "passage_words")
    assert rows == {"documents": 1, "document_texts": 1, "passages": 1, "passage_words": 1}
    assert document.version == 24
    assert await library.finds("marmot") == ["a"]


async def test_changing_and_deleting_the_same_document_at_once_leaves_no_stray_rows(library: Library) -> None:
    knowledge = library.running.services.knowledge

    async def delete(id: str) -> None:
        with suppress(NotFound):
            await knowledge.delete_document(library.caller, library.collection.id, id)

    for turn in range(6):
        stored = await library.put_text("a", f"about marmot {turn}")
        await asyncio.gather(library.put_text("a", f"about walrus {turn}"), delete(stored.id))
    documents = len(await library.documents())
    rows = await library.rows("documents", "document_texts", "passages", "passage_words")
    assert set(rows.values()) == {documents}, rows


async def test_a_collection_deleted_amid_uploads_leaves_nothing_behind(library: Library) -> None:
    numbers = itertools.count()

    async def upload() -> int:
        stored = 0
        while True:
            try:
                await library.put_text(f"t{(number := next(numbers))}", f"about marmot {number}")
            except NotFound:
                return stored
            stored += 1

    async def delete() -> None:
        await asyncio.sleep(0.1)
        await library.running.services.collections.delete(library.caller, library.collection.id)

    async with asyncio.timeout(20):
        stored = await asyncio.gather(upload(), upload(), upload(), delete())
    assert sum(count or 0 for count in stored) > 0
    left = await library.rows("collections", "documents", "document_texts", "passages", "passage_words")
    assert set(left.values()) == {0}, left


async def test_an_import_that_deletes_the_absent_takes_their_files_away(library: Library) -> None:
    await library.put_file("a.md", b"about walrus")
    await library.documents()
    knowledge = library.running.services.knowledge
    done = await knowledge.import_texts(
        library.caller, library.collection.id, [(DocumentDraft("b", "b"), "about marmot")], delete_absent=True
    )
    assert (done.enqueued, done.deleted) == (1, 1)
    assert [document.name for document in await library.documents()] == ["b"]
    assert library.files() == []


async def test_leftovers_are_removed_once_old_and_nothing_else_is(library: Library) -> None:
    await library.put_file("a.md", b"about walrus")
    (document,) = await library.documents()
    root = library.folder / "blobs"
    orphan, part, other = root / "documents/x/0190", root / "documents/x/0191#1", root / "elsewhere/0192"
    scratch = library.folder / "uploads" / "upload-1"
    for path in (orphan, part, other, scratch):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left over")
    leftovers = library.running.leftovers
    assert await leftovers.sweep(before_ms=now_ms() - 60_000) == 0
    assert await leftovers.sweep(before_ms=now_ms() + 1000) == 3
    assert library.files() == sorted([str(document.blob_key), "elsewhere/0192"])
    assert await leftovers.sweep(before_ms=now_ms() + 1000) == 0


async def test_of_collections_that_are_to_be_alone_under_their_name_one_is_made(library: Library) -> None:
    collections = library.running.services.collections
    made = await asyncio.gather(
        *(collections.create(library.caller, "raced", alone=True) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(one, Collection) for one in made) == 1
    assert sum(isinstance(one, Conflict) for one in made) == 5
    named = [one for one in await collections.visible(library.caller) if one.name == "raced"]
    assert len(named) == 1


async def test_of_texts_of_one_name_stored_at_once_one_is_told_to_be_new(library: Library) -> None:
    knowledge = library.running.services.knowledge
    draft = DocumentDraft("same", "same")

    async def put(number: int) -> str:
        text = f"The text of number {number}."
        return (await knowledge.put_text(library.caller, library.collection.id, draft, text)).outcome

    outcomes = await asyncio.gather(*(put(number) for number in range(6)))
    assert sorted(outcomes) == ["created", *["modified"] * 5]
    assert len(await library.documents()) == 1
