"""A document as a parser reads it: pages of blocks. Light to import, for child processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "caption"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document in reading order. ``level`` is 1..6 for headings, else 0.

    A table is one row a line: rows in columns as ``| a | b |`` with the names of the columns first, or rows
    that name their values (``Name: Ann; Age: 33``).
    """

    kind: BlockKind
    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Blocks of one page, slide, sheet or part. ``number`` counts from 1; None for formats without pages."""

    number: int | None
    blocks: tuple[Block, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser read. ``warnings`` say in plain words what was left out and why."""

    pages: tuple[Page, ...]
    media_type: str
    title: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()
