"""What knowledge needs from outside: parsers, the passage index, file storage."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from dragoman.domain.knowledge.document import Block as Block
from dragoman.domain.knowledge.document import Page as Page
from dragoman.domain.knowledge.document import ParsedDocument as ParsedDocument


class Parser(Protocol):
    """Reads files into pages of blocks, in a process of its own with bounds on time and memory."""

    async def parse(self, path: Path, *, name: str, media_type: str | None) -> ParsedDocument:
        """The document's text by page.

        The kind is decided by the content first, then by ``name`` and ``media_type``.

        Raises:
            Unsupported: no parser for this kind of file.
            InvalidInput: empty, encrypted, truncated, over a bound, or not what it claims to be; the message says which.
        """
        ...


class PageDrawer(Protocol):
    """Draws pages of files, in a process of its own with bounds on time and memory."""

    @property
    def media_types(self) -> frozenset[str]:
        """The kinds of files it can draw."""
        ...

    async def draw(self, path: Path, page: int, *, marked: str) -> bytes:
        """A page, counted from 1, as PNG; what stands on it of the marked text is made to stand out.

        Raises:
            NotFound: the file has no such page, or it cannot be drawn.
        """
        ...


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One passage as the index stores it. ``passage_key`` is the integer primary key of the passage's row."""

    passage_key: int
    collection_key: int
    document_key: int
    text: str


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """A search. Only passages of ``collection_keys`` are ever looked at.

    ``terms`` are the questions; ``vectors`` their unit vectors ``float32 [len(terms), d]``, or None for keywords only.
    ``space``: which embedder's vectors are compared with; vectors of two embedders are never in one space.
    ``document_keys``, when given, narrows to those documents; passages of ``withheld`` ones are never looked at.
    A passage's similarity is the best over the terms;
    passages below ``minimum_similarity`` do not come back when vectors are given (a passage without a vector yet is judged by
    words alone). ``fuse``: ``hybrid`` = a weighted sum of both legs' scores, each scaled over the
    candidates, and 1 more for the few passages that the words point to, if they do; the other two are single legs.
    """

    collection_keys: tuple[int, ...]
    terms: tuple[str, ...]
    vectors: NDArray[np.float32] | None
    limit: int
    minimum_similarity: float = 0.0
    fuse: Literal["hybrid", "vector", "keyword"] = "hybrid"
    document_keys: tuple[int, ...] | None = None
    space: int = 0
    withheld: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexHit:
    """``similarity`` is the cosine with the nearest term, None when only words matched a passage without a vector."""

    passage_key: int
    score: float
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Unfit:
    """Passages of which the index lacks the words, or a sound vector with all that goes with it."""

    words: frozenset[int]
    vectors: frozenset[int]


class PassageIndex(Protocol):
    """Keyword and vector index that lives in the database, inside the caller's transaction."""

    def prepare(self, connection: Connection, dimensions: int, space: int = 0) -> None:
        """Creates what is needed for vectors of that length in that space; harmless when it is there."""
        ...

    def add_text(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Makes passages findable by their words."""
        ...

    def add_vectors(
        self,
        connection: Connection,
        entries: Sequence[IndexEntry],
        vectors: NDArray[np.float32],
        space: int = 0,
    ) -> None:
        """Makes passages findable by meaning; replaces earlier vectors of the same passages in the space."""
        ...

    def remove(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Forgets passages, words and vectors in all spaces."""
        ...

    def remove_vectors(self, connection: Connection, collection_key: int, space: int | None = None) -> None:
        """Forgets all vectors of a collection, or those in one space; words stay findable."""
        ...

    def vectors_of(
        self, connection: Connection, passage_keys: Sequence[int], space: int = 0
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Those of the passages that have a vector in the space, and these vectors, ``float32 [n, d]``, as they were given."""
        ...

    def unfit(
        self,
        connection: Connection,
        collection_key: int,
        passage_keys: Sequence[int],
        embedded: Sequence[int],
        space: int = 0,
    ) -> Unfit:
        """What is lacking or damaged of these passages' words, and of the vectors of those that are to have one in the space."""
        ...

    def forget_damaged(
        self, connection: Connection, collection_key: int, passage_keys: Sequence[int], space: int = 0
    ) -> None:
        """Removes what there is of these passages' vectors in the space, in whatever state it is."""
        ...

    def search(self, connection: Connection, query: IndexQuery) -> list[IndexHit]:
        """The best passages, best first, at most ``limit``.

        Where stored vectors cannot be read, words alone are searched; any other failure is raised.
        """
        ...


class BlobStore(Protocol):
    """Files by opaque key; written whole or not at all."""

    async def put_file(self, key: str, path: Path) -> None:
        """Stores the file's bytes under the key."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Stores bytes under the key."""
        ...

    def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces.

        Raises:
            NotFound: no such key.
        """
        ...

    async def fetch_to(self, key: str, path: Path) -> None:
        """Writes the bytes to a local file.

        Raises:
            NotFound: no such key.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forgets the key; harmless when it is not there."""
        ...

    def keys(self, prefix: str, *, before_ms: int) -> AsyncIterator[list[str]]:
        """The keys below a folder of files last written before that time, in batches of bounded size."""
        ...

    async def forget_unfinished(self, *, before_ms: int) -> int:
        """Removes what puts that never ended have left since before that time; gives how many."""
        ...
