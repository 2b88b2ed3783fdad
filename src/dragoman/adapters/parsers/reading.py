"""Reading one document inside the child process: what a reader is given, and the budget all share."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.kit.errors import InvalidInput, Unsupported
from dragoman.kit.registry import Registry

_FEW_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content with what is said about it."""

    data: bytes
    name: str
    media_type: str | None = None


class OverBound(InvalidInput):
    """The document needs more than the limits allow; ends the whole document, also from within an archive."""

    code = "document_over_bound"


class Encrypted(InvalidInput):
    """The content cannot be read without a password."""

    code = "document_encrypted"


@dataclass(slots=True)
class Budget:
    """What reading one document has used up so far."""

    limits: ParserLimits
    pages: int = 0
    ocr_pages: int = 0
    members: int = 0
    characters: int = 0
    packed_bytes: int = 0
    unpacked_bytes: int = 0

    def add_page(self) -> None:
        """Counts a page.

        Raises:
            OverBound: too many.
        """
        self.pages += 1
        if self.pages > self.limits.pages:
            raise OverBound(f"The document has more than {self.limits.pages} pages.")

    def add_member(self) -> None:
        """Counts a file within an archive or message.

        Raises:
            OverBound: too many.
        """
        self.members += 1
        if self.members > self.limits.members:
            raise OverBound(f"The archive holds more than {self.limits.members} files.")

    def add_unpacked(self, size: int) -> None:
        """Counts bytes that came out of an archive.

        Raises:
            OverBound: too many, or out of proportion to what they were packed in.
        """
        self.unpacked_bytes += size
        if self.unpacked_bytes > self.limits.unpacked_bytes:
            raise OverBound(f"The file unpacks to more than {self.limits.unpacked_bytes >> 20} MB.")
        allowed = max(_FEW_BYTES, self.packed_bytes * self.limits.unpack_ratio)
        if self.unpacked_bytes > allowed:
            raise OverBound(f"The file unpacks to more than {self.limits.unpack_ratio} times its size.")

    def add_text(self, characters: int) -> None:
        """Counts text read.

        Raises:
            OverBound: too much.
        """
        self.characters += characters
        if self.characters > self.limits.text_characters:
            raise OverBound(f"The document holds more than {self.limits.text_characters} characters of text.")

    def take_ocr_page(self) -> bool:
        """Whether one more picture may be read."""
        self.ocr_pages += 1
        return self.ocr_pages <= self.limits.ocr_pages


@dataclass(slots=True)
class Reading:
    """What a reader works with: the budget, the document's warnings, and a way to read what is inside."""

    budget: Budget
    read_inner: "Callable[[Source, Reading], ParsedDocument]"
    depth: int = 0
    warnings: list[str] = field(default_factory=list[str])

    def warn(self, sentence: str) -> None:
        """Notes once what was left out or guessed."""
        if sentence not in self.warnings and len(self.warnings) < 50:
            self.warnings.append(sentence)

    def inner(self, source: Source) -> tuple[Page, ...]:
        """The pages of a file within this one, labelled with its name; none, with a warning, if unreadable.

        Raises:
            OverBound: the document as a whole is too much.
        """
        self.budget.add_member()
        if self.depth >= self.budget.limits.depth:
            self.warn(
                f"{source.name} was left out: it lies more than {self.budget.limits.depth} archives deep."
            )
            return ()
        below = Reading(self.budget, self.read_inner, self.depth + 1)
        try:
            parsed = self.read_inner(source, below)
        except OverBound:
            raise
        except (InvalidInput, Unsupported) as error:
            self.warn(f"{source.name} was left out: {error.detail}")
            return ()
        for warning in parsed.warnings:
            self.warn(f"{source.name}: {warning}")
        return tuple(_labelled(page, source.name) for page in parsed.pages)


def _labelled(page: Page, name: str) -> Page:
    return Page(page.number, page.blocks, name if page.label is None else f"{name} / {page.label}")


@dataclass(frozen=True, slots=True)
class Format:
    """A family of files and how to read it; the first media type is the family's name for itself."""

    title: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    read: Callable[[Source, Reading], ParsedDocument]
    is_text: bool = False


FORMATS: Registry[Format] = Registry("document format")


def register(form: Format) -> Format:
    """Makes a family of files readable."""
    return FORMATS.add(form.media_types[0], form)


def engine(name: str) -> ModuleType:
    """The module of that engine.

    Raises:
        Unsupported: the extra it needs is not installed.
    """
    try:
        return importlib.import_module(f"dragoman.adapters.parsers.engines.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("dragoman"):
            raise
        raise Unsupported(
            f"Reading this kind of file needs the extra dragoman[documents] ({error.name} is not installed)."
        ) from error


def single(
    blocks: Sequence[Block], media_type: str, reading: Reading, *, title: str | None = None
) -> ParsedDocument:
    """A document without pages."""
    return ParsedDocument((Page(None, tuple(blocks)),), media_type, title, {}, tuple(reading.warnings))
