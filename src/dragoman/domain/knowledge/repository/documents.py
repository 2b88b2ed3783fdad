"""Documents, their text and passages, and the jobs that index them.

Functions that take a ``collection_key`` rely on the collection having been resolved for the caller in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.model import (
    Document,
    DocumentDraft,
    DocumentState,
    PassageDraft,
    StoredPassage,
)
from dragoman.domain.knowledge.repository.access import readable
from dragoman.domain.knowledge.tables import document_standings, document_texts, documents, passages
from dragoman.kit.errors import NotFound
from dragoman.kit.jsontypes import JsonValue

_COLUMNS = [documents.c[name] for name in Document.__slots__]
_PASSAGE_COLUMNS = [passages.c[name] for name in StoredPassage.__slots__]


# Values that one statement names.
_BOUND = 500


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; every condition must hold. Texts are contained, case folded; ``tag`` and ``reference`` exact."""

    name_or_text: str | None = None
    name: str | None = None
    text: str | None = None
    id: str | None = None
    tag: str | None = None
    reference: str | None = None
    states: tuple[DocumentState, ...] = ()
    order_by: str = "created_at"
    descending: bool = False
    limit: int = 10_000
    offset: int = 0


def _row(row: sa.RowMapping) -> Document:
    values = dict(row)
    values["tags"] = tuple(values["tags"])
    return Document(**values)


def passage_of(row: sa.RowMapping) -> StoredPassage:
    """The passage of a row that has its columns."""
    values = dict(row)
    values["heading_path"] = tuple(values["heading_path"])
    return StoredPassage(**values)


def _readable(reader: Caller | None) -> sa.ColumnElement[bool]:
    """What the reader may see; everything for background work, which has none."""
    return sa.true() if reader is None else readable(reader)


def find(
    connection: Connection, collection_key: int, external_id: str, *, reader: Caller | None = None
) -> Document | None:
    """The document with the caller's own id, or None."""
    row = (
        connection.execute(
            sa.select(*_COLUMNS).where(
                documents.c.collection_key == collection_key,
                documents.c.external_id == external_id,
                _readable(reader),
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _row(row)


def find_many(
    connection: Connection,
    collection_key: int,
    external_ids: Sequence[str],
    *,
    reader: Caller | None = None,
) -> dict[str, Document]:
    """Documents by the caller's own ids."""
    statement = sa.select(*_COLUMNS).where(
        documents.c.collection_key == collection_key,
        documents.c.external_id.in_(external_ids),
        _readable(reader),
    )
    found = [_row(row) for row in connection.execute(statement).mappings()]
    return {document.external_id: document for document in found}


def get(connection: Connection, reader: Caller, collection_key: int, document_id: str) -> Document:
    """One document of the collection that the reader may see.

    Raises:
        NotFound: the collection has no such document for this reader.
    """
    row = (
        connection.execute(
            sa.select(*_COLUMNS).where(
                documents.c.collection_key == collection_key,
                documents.c.id == document_id,
                readable(reader),
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound("There is no document with this id in the collection.", code="document_not_found")
    return _row(row)


def by_keys(connection: Connection, keys: Iterable[int]) -> dict[int, Document]:
    """Documents by internal key."""
    statement = sa.select(*_COLUMNS).where(documents.c.key.in_(list(keys)))
    return {
        document.key: document for document in (_row(row) for row in connection.execute(statement).mappings())
    }


def insert(connection: Connection, values: Sequence[dict[str, JsonValue]]) -> None:
    """Stores new documents, many in one statement."""
    connection.execute(sa.insert(documents), list(values))


def describe(connection: Connection, document_key: int, draft: DocumentDraft, *, at: int) -> None:
    """Changes what is said about a document without touching its content."""
    connection.execute(
        sa.update(documents)
        .where(documents.c.key == document_key)
        .values(
            name=draft.name,
            reference=draft.reference,
            tags=list(draft.tags),
            metadata=dict(draft.metadata),
            context=draft.context,
            updated_at=at,
        )
    )


def change(connection: Connection, document_key: int, **values: JsonValue) -> None:
    """Sets columns of one document."""
    connection.execute(sa.update(documents).where(documents.c.key == document_key).values(**values))


def change_version(connection: Connection, document_key: int, version: int, **values: JsonValue) -> None:
    """Sets columns of one document, unless its content has changed since that version."""
    mine = sa.and_(documents.c.key == document_key, documents.c.version == version)
    connection.execute(sa.update(documents).where(mine).values(**values))


def referenced_blobs(connection: Connection, blob_keys: Sequence[str]) -> set[str]:
    """Which of these files a document needs, for what it is or for what it stays when its new content cannot be read."""
    columns = (documents.c.blob_key, document_standings.c.blob_key)
    return {
        str(key)
        for column in columns
        for key in connection.execute(sa.select(column).where(column.in_(blob_keys))).scalars()
    }


def _conditions(reader: Caller, collection_key: int, wanted: DocumentFilter) -> list[sa.ColumnElement[bool]]:
    has_text = sa.exists().where(
        document_texts.c.document_key == documents.c.key,
        document_texts.c.text.icontains(wanted.text or wanted.name_or_text or "", autoescape=True),
    )
    conditions: list[sa.ColumnElement[bool]] = [
        documents.c.collection_key == collection_key,
        readable(reader),
    ]
    if wanted.name_or_text:
        conditions.append(sa.or_(documents.c.name.icontains(wanted.name_or_text, autoescape=True), has_text))
    if wanted.text:
        conditions.append(has_text)
    if wanted.name:
        conditions.append(documents.c.name.icontains(wanted.name, autoescape=True))
    if wanted.id:
        conditions.append(documents.c.id.icontains(wanted.id, autoescape=True))
    if wanted.reference:
        conditions.append(documents.c.reference == wanted.reference)
    if wanted.tag:
        quoted = '"' + wanted.tag.replace("\\", "\\\\").replace('"', '\\"') + '"'
        conditions.append(sa.cast(documents.c.tags, sa.Text).contains(quoted, autoescape=True))
    if wanted.states:
        conditions.append(documents.c.state.in_(wanted.states))
    return conditions


def select(
    connection: Connection, reader: Caller, collection_key: int, wanted: DocumentFilter
) -> list[Document]:
    """The documents that match and that the reader may see, ordered by a time column and then by age."""
    column = documents.c[wanted.order_by]
    order = (
        (column.desc().nulls_last(), documents.c.key.desc())
        if wanted.descending
        else (column.asc().nulls_last(), documents.c.key.asc())
    )
    statement = (
        sa.select(*_COLUMNS)
        .where(*_conditions(reader, collection_key, wanted))
        .order_by(*order)
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    return [_row(row) for row in connection.execute(statement).mappings()]


def in_states(
    connection: Connection,
    reader: Caller,
    collection_keys: Sequence[int],
    states: Sequence[DocumentState],
    *,
    limit: int,
) -> list[Document]:
    """Documents of these collections in one of the states that the reader may see, the latest changed first."""
    found: list[Document] = []
    for start in range(0, len(collection_keys), _BOUND):
        among = documents.c.collection_key.in_(collection_keys[start : start + _BOUND])
        statement = sa.select(*_COLUMNS).where(among, documents.c.state.in_(states), readable(reader))
        statement = statement.order_by(documents.c.updated_at.desc(), documents.c.key.desc()).limit(limit)
        found += [_row(row) for row in connection.execute(statement).mappings()]
    found.sort(key=lambda document: (-document.updated_at, -document.key))
    return found[:limit]


def siblings(
    connection: Connection, reader: Caller, collection_key: int, reference: str, *, limit: int
) -> list[Document]:
    """Documents of the collection that share a reference and that the reader may see."""
    mine = sa.and_(documents.c.collection_key == collection_key, readable(reader))
    statement = (
        sa.select(*_COLUMNS)
        .where(mine, documents.c.reference == reference)
        .order_by(documents.c.key)
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(statement).mappings()]


def text(connection: Connection, document_key: int) -> str:
    """The document's extracted text, empty while it has none."""
    found = connection.execute(
        sa.select(document_texts.c.text).where(document_texts.c.document_key == document_key)
    ).scalar_one_or_none()
    return found or ""


def texts(connection: Connection, document_keys: Sequence[int]) -> dict[int, str]:
    """The extracted texts of many documents, by key; those without one are left out."""
    statement = sa.select(document_texts.c.document_key, document_texts.c.text).where(
        document_texts.c.document_key.in_(document_keys)
    )
    return {int(row[0]): str(row[1]) for row in connection.execute(statement)}


def previews(connection: Connection, document_keys: Sequence[int], *, length: int) -> dict[int, str]:
    """The first characters of many documents' texts."""
    statement = sa.select(
        document_texts.c.document_key, sa.func.substr(document_texts.c.text, 1, length)
    ).where(document_texts.c.document_key.in_(document_keys))
    return {int(row[0]): str(row[1]) for row in connection.execute(statement)}


def put_text(
    connection: Connection,
    document_key: int,
    *,
    text: str,
    page_starts: Sequence[tuple[int | None, int]],
    warnings: Sequence[str],
) -> None:
    """Replaces the document's text."""
    connection.execute(sa.delete(document_texts).where(document_texts.c.document_key == document_key))
    connection.execute(
        sa.insert(document_texts).values(
            document_key=document_key,
            text=text,
            page_starts=[list(start) for start in page_starts],
            warnings=list(warnings),
        )
    )


def put_texts(connection: Connection, texts: Mapping[int, str]) -> None:
    """Stores the texts of documents that had none, many in one statement."""
    connection.execute(
        sa.insert(document_texts),
        [
            {"document_key": key, "text": text, "page_starts": [], "warnings": []}
            for key, text in texts.items()
        ],
    )


def add_passages(
    connection: Connection, collection_key: int, document_key: int, drafts: Sequence[PassageDraft]
) -> list[StoredPassage]:
    """Stores passages and gives them their keys, in order."""
    if drafts:
        connection.execute(
            sa.insert(passages),
            [
                {
                    "document_key": document_key,
                    "collection_key": collection_key,
                    "ordinal": draft.ordinal,
                    "text": draft.text,
                    "page": draft.page,
                    "heading_path": list(draft.heading_path),
                    "char_start": draft.char_start,
                    "char_end": draft.char_end,
                    "token_count": draft.token_count,
                    "embedded": False,
                }
                for draft in drafts
            ],
        )
    return passages_of(connection, document_key)


def passages_of(connection: Connection, document_key: int) -> list[StoredPassage]:
    """All passages of a document in order."""
    statement = (
        sa.select(*_PASSAGE_COLUMNS)
        .where(passages.c.document_key == document_key)
        .order_by(passages.c.ordinal)
    )
    return [passage_of(row) for row in connection.execute(statement).mappings()]


def passages_by_keys(connection: Connection, keys: Sequence[int]) -> dict[int, StoredPassage]:
    """Passages by key."""
    statement = sa.select(*_PASSAGE_COLUMNS).where(passages.c.key.in_(keys))
    return {
        passage.key: passage
        for passage in (passage_of(row) for row in connection.execute(statement).mappings())
    }


def delete_passages(connection: Connection, document_key: int) -> None:
    """Removes a document's passages; they must be gone from the index before."""
    connection.execute(sa.delete(passages).where(passages.c.document_key == document_key))


def waiting_passages(
    connection: Connection, document_keys: Sequence[int], *, limit: int
) -> list[StoredPassage]:
    """Passages of these documents that have no vector yet."""
    statement = (
        sa.select(*_PASSAGE_COLUMNS)
        .where(passages.c.document_key.in_(document_keys), passages.c.embedded.is_(False))
        .order_by(passages.c.document_key, passages.c.ordinal)
        .limit(limit)
    )
    return [passage_of(row) for row in connection.execute(statement).mappings()]


def mark_embedded(connection: Connection, keys: Sequence[int]) -> None:
    """Notes that passages have their vectors."""
    connection.execute(sa.update(passages).where(passages.c.key.in_(keys)).values(embedded=True))


def passages_after(connection: Connection, after: int, *, limit: int) -> list[tuple[int, int]]:
    """Keys of passages and of their collections, in key order, after a key: for walking through all in bounded pieces."""
    columns = sa.select(passages.c.key, passages.c.collection_key).where(passages.c.key > after)
    rows = connection.execute(columns.order_by(passages.c.key).limit(limit))
    return [(row.key, row.collection_key) for row in rows]


def noted_embedded(connection: Connection, keys: Sequence[int]) -> dict[int, bool]:
    """Those of these passages that still exist, and whether they are noted to have their vectors."""
    statement = sa.select(passages.c.key, passages.c.embedded).where(passages.c.key.in_(keys))
    return {row.key: row.embedded for row in connection.execute(statement.order_by(passages.c.key))}


def unembed(connection: Connection, keys: Sequence[int]) -> None:
    """Notes that passages have no vectors, and how many of their documents' have."""
    connection.execute(sa.update(passages).where(passages.c.key.in_(keys)).values(embedded=False))
    done = (
        sa.select(sa.func.count())
        .where(passages.c.document_key == documents.c.key, passages.c.embedded.is_(True))
        .scalar_subquery()
    )
    owners = sa.select(passages.c.document_key).where(passages.c.key.in_(keys))
    connection.execute(sa.update(documents).where(documents.c.key.in_(owners)).values(embedded_count=done))


def existing(connection: Connection, keys: Sequence[int]) -> set[int]:
    """Which of these passages still exist."""
    return set(connection.execute(sa.select(passages.c.key).where(passages.c.key.in_(keys))).scalars())


def settle(connection: Connection, document_keys: Sequence[int], *, at: int) -> None:
    """Counts embedded passages and marks documents indexed that have none waiting."""
    done = (
        sa.select(sa.func.count())
        .where(passages.c.document_key == documents.c.key, passages.c.embedded.is_(True))
        .scalar_subquery()
    )
    mine = documents.c.key.in_(document_keys)
    connection.execute(sa.update(documents).where(mine).values(embedded_count=done))
    connection.execute(
        sa.update(documents)
        .where(
            mine, documents.c.state == "embedding", documents.c.embedded_count >= documents.c.passage_count
        )
        .values(state="indexed", state_detail=None, indexed_at=at)
    )


def settle_by_words(connection: Connection, document_keys: Sequence[int], *, at: int) -> None:
    """Marks documents indexed that wait for vectors which nobody here can make; their words are findable."""
    mine = sa.and_(documents.c.key.in_(document_keys), documents.c.state == "embedding")
    connection.execute(sa.update(documents).where(mine).values(state="indexed", indexed_at=at))


def delete(connection: Connection, document_key: int) -> None:
    """Removes the row and its text."""
    connection.execute(sa.delete(document_texts).where(document_texts.c.document_key == document_key))
    connection.execute(sa.delete(documents).where(documents.c.key == document_key))


def keys_after(
    connection: Connection, collection_key: int, after: int, *, limit: int, reader: Caller | None = None
) -> list[Document]:
    """Documents of a collection in key order, after a key: for walking through all of them in bounded pieces."""
    statement = (
        sa.select(*_COLUMNS)
        .where(documents.c.collection_key == collection_key, documents.c.key > after, _readable(reader))
        .order_by(documents.c.key)
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(statement).mappings()]


def forget_vectors(connection: Connection, collection_key: int) -> None:
    """Puts every document with passages back to the state before its vectors were made."""
    connection.execute(
        sa.update(passages).where(passages.c.collection_key == collection_key).values(embedded=False)
    )
    connection.execute(
        sa.update(documents)
        .where(documents.c.collection_key == collection_key, documents.c.passage_count > 0)
        .values(state="embedding", embedded_count=0, indexed_at=None)
    )


def without_vectors(connection: Connection, *, limit: int) -> list[Document]:
    """Indexed documents whose vectors are missing, because there was no embedder when they came."""
    statement = (
        sa.select(*_COLUMNS)
        .where(documents.c.state == "indexed", documents.c.embedded_count < documents.c.passage_count)
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(statement).mappings()]
