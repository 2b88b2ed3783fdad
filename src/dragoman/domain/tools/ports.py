"""What the tools for the web need from outside: somebody who searches it, something that reads its pages."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is searched for.

    ``language`` is like ``en`` or ``pt-br``, ``country`` has two letters; None leaves it to the provider. With ``domains``
    only these and what lies below them count.
    """

    terms: str
    limit: int = 10
    language: str | None = None
    country: str | None = None
    domains: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The terms with the domains in the words that search engines share."""
        sites = " OR ".join(f"site:{domain}" for domain in self.domains)
        return f"{self.terms} {sites}".strip()


@dataclass(frozen=True, slots=True)
class WebHit:
    """One result of a search."""

    title: str
    url: str
    description: str


class Searcher(Protocol):
    """Searches the web."""

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results, best first, at most as many as wanted; none when nothing was found.

        Raises:
            DragomanError: the provider failed or refused; the message says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadableText:
    """What a person reads on a page, without what surrounds it."""

    title: str
    text: str


class HtmlReader(Protocol):
    """Finds the readable text of a page."""

    async def readable(self, data: bytes, *, url: str, charset: str | None) -> ReadableText:
        """The text of an HTML document, with its headings, lists and tables as Markdown.

        Raises:
            DragomanError: it could not be read.
        """
        ...
