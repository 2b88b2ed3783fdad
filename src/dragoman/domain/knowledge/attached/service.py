"""Files read for one question, and remembered by name for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.attached import repository
from dragoman.domain.knowledge.chunk import clean_text
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.domain.knowledge.ports import Parser
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound

_REMEMBERED_MS = 24 * 3600 * 1000
_REMEMBERED_FILES = 100
_REMEMBERED_CHARACTERS = 4_000_000
_BETWEEN_BLOCKS = "\n\n"


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file's text by page; ``pages`` are (number from 1, text) in reading order, none of them empty."""

    name: str
    pages: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...] = ()


class AttachedFiles:
    """Reads files and remembers their texts per user for 24 hours.

    Args:
        parser: reads documents, in a process of its own.
    """

    def __init__(self, database: Database, parser: Parser, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._parser = parser
        self._clock_ms = clock_ms

    async def read(self, path: Path, *, name: str, media_type: str | None) -> AttachedFile:
        """The file's text.

        Raises:
            Unsupported: no reader for this kind of file.
            InvalidInput: it cannot be read, or holds no text.
        """
        parsed = await self._parser.parse(path, name=name, media_type=media_type)
        pages = _pages(parsed)
        if not pages:
            raise InvalidInput(f"The file {name!r} holds no readable text.", param="file")
        return AttachedFile(name, pages, parsed.warnings)

    async def remember(self, caller: Caller, file: AttachedFile) -> None:
        """Keeps the text for 24 hours under the file's name, in the place of the caller's earlier one.

        A text beyond four million characters is kept up to there.
        """
        now = self._clock_ms()
        await self._database.write(
            repository.put,
            caller,
            file.name,
            _bounded(file.pages),
            now=now,
            expires_at=now + _REMEMBERED_MS,
            most=_REMEMBERED_FILES,
        )

    async def recall(self, caller: Caller, name: str) -> AttachedFile:
        """The caller's remembered file of that name.

        Raises:
            NotFound: there is none, or its time is over.
        """
        pages = await self._database.read(repository.get, caller, name, now=self._clock_ms())
        if pages is None:
            raise NotFound(
                f"There is no file {name!r}; upload it first.", code="file_not_found", param="file"
            )
        return AttachedFile(name, pages)


def _pages(parsed: ParsedDocument) -> tuple[tuple[int, str], ...]:
    pages: list[tuple[int, str]] = []
    for position, page in enumerate(parsed.pages, 1):
        texts = [text for block in page.blocks if (text := clean_text(block.text))]
        if page.label and texts:
            texts.insert(0, clean_text(page.label))
        if texts:
            pages.append((page.number or position, _BETWEEN_BLOCKS.join(texts)))
    return tuple(pages)


def _bounded(pages: tuple[tuple[int, str], ...]) -> list[tuple[int, str]]:
    kept: list[tuple[int, str]] = []
    left = _REMEMBERED_CHARACTERS
    for number, text in pages:
        if left <= 0:
            break
        kept.append((number, text[:left]))
        left -= len(text)
    return kept
