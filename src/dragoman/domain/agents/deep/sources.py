"""Finding sources for a question, in collections and on the web, each under one number however often it is found."""

from dataclasses import dataclass

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.deep.model import DeepSettings, Source
from dragoman.domain.knowledge.retrieve import RetrievalQuery, Retriever
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.messages.citations import Citation
from dragoman.domain.tools.ports import SearchQuery, WebHit
from dragoman.domain.tools.web import Web
from dragoman.kit.errors import DragomanError, NotFound

log = structlog.get_logger(__name__)

_PASSAGES = 6
_SIMILARITY = 0.4
_LONGEST_SOURCE = 6000
_MOST_SOURCES = 80
_WEB_HITS, _PAGES_READ = 6, 2
_LONGEST_SEARCH, _LONGEST_EXCERPT = 400, 1200


@dataclass(frozen=True, slots=True)
class Found:
    """All sources so far, and the numbers of those that bear on the question."""

    sources: tuple[Source, ...]
    numbers: tuple[int, ...]
    web_problem: str | None = None


class Finder:
    """Finds sources."""

    def __init__(self, retriever: Retriever, web: Web) -> None:
        self._retriever = retriever
        self._web = web

    async def find(
        self, caller: Caller, settings: DeepSettings, question: str, known: tuple[Source, ...]
    ) -> Found:
        """The sources for one question, added to those that are known."""
        sources = list(known)
        numbers: list[int] = []
        for citation in await self._passages(caller, settings, question):
            _add(sources, numbers, _from_passage(citation))
        problem = None
        if settings.live:
            pages, problem = await self._pages(caller, question, read_pages=settings.live > 1)
            for page in pages:
                _add(sources, numbers, page)
        return Found(tuple(sources), tuple(dict.fromkeys(numbers)), problem)

    async def _passages(self, caller: Caller, settings: DeepSettings, question: str) -> tuple[Citation, ...]:
        if not settings.collection_ids:
            return ()
        query = RetrievalQuery(
            (question,), settings.collection_ids, limit=_PASSAGES, minimum_similarity=_SIMILARITY
        )
        try:
            return (await self._retriever.retrieve(caller, query)).citations()
        except NotFound:
            # One of the collections was deleted since the research began; the others still hold answers.
            ids = [one for one in settings.collection_ids if await self._is_there(caller, one)]
            left = RetrievalQuery((question,), tuple(ids), limit=_PASSAGES, minimum_similarity=_SIMILARITY)
            return (await self._retriever.retrieve(caller, left)).citations()

    async def _is_there(self, caller: Caller, collection_id: str) -> bool:
        try:
            await self._retriever.retrieve(caller, RetrievalQuery((" ",), (collection_id,)))
        except NotFound:
            return False
        return True

    async def _pages(
        self, caller: Caller, question: str, *, read_pages: bool
    ) -> tuple[list[Source], str | None]:
        handling = current_handling()
        try:
            if handling is not None:
                await handling.to_tool(caller, "web search", "outside")
            hits = await self._web.search(SearchQuery(question[:_LONGEST_SEARCH], _WEB_HITS))
        except DragomanError as error:
            # The collections may hold the answer; the reader is told that the web took no part.
            log.warning("deep.web_failed", code=error.code, reason=error.detail)
            return [], error.detail
        read = await self._web.with_pages(hits[:_PAGES_READ]) if read_pages else []
        texts = {one.hit.url: one.page.text for one in read if one.page is not None and one.page.text}
        return [_from_page(hit, texts.get(hit.url)) for hit in hits], None


def _add(sources: list[Source], numbers: list[int], source: Source) -> None:
    known = next((one for one in sources if one.key == source.key), None)
    if known is None and len(sources) < _MOST_SOURCES:
        known = source.model_copy(update={"number": len(sources) + 1})
        sources.append(known)
    if known is not None:
        numbers.append(known.number)


def _from_passage(citation: Citation) -> Source:
    metadata = {
        name: value
        for name, value in citation.metadata.items()
        if value is None or isinstance(value, str | int | float | bool)
    }
    return Source(
        number=0,
        key=citation.passage_id,
        title=citation.document_name,
        text=citation.text[:_LONGEST_SOURCE],
        collection_id=citation.collection_id,
        document_id=citation.document_id,
        page=citation.page,
        score=citation.score,
        context=citation.context,
        label=citation.label,
        metadata=metadata,
    )


def _from_page(hit: WebHit, text: str | None) -> Source:
    return Source(
        number=0,
        key=hit.url[:2000],
        title=hit.title[:300] or hit.url[:300],
        text=(text or hit.description or hit.title)[:_LONGEST_SOURCE],
        url=hit.url[:2000],
        metadata={
            "link": hit.url[:2000],
            "description": hit.description[:_LONGEST_EXCERPT],
            **({"summary": text[:_LONGEST_EXCERPT]} if text else {}),
        },
    )
