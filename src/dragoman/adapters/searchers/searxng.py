"""Searching through a SearXNG server, over its JSON form."""

from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.reading import hits
from dragoman.domain.tools.ports import SearchQuery, WebHit
from dragoman.kit.errors import ProviderError, Unavailable

_MOST_PAGES = 3


class SearxngSearcher:
    """A SearXNG server; its settings must list ``json`` under ``search.formats``."""

    def __init__(self, calls: ProviderCalls, url: str) -> None:
        self._calls = calls
        self._url = f"{url.rstrip('/')}/search"

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results; further pages are asked for while there are fewer than wanted."""
        found: dict[str, WebHit] = {}
        for page in range(1, _MOST_PAGES + 1):
            params: dict[str, str | int] = {"q": query.text, "format": "json", "pageno": page}
            language = _language(query)
            if language:
                params["language"] = language
            new = [one for one in await self._page(params) if one.url not in found]
            found.update((one.url, one) for one in new)
            if not new or len(found) >= query.limit:
                break
        return list(found.values())[: query.limit]

    async def _page(self, params: dict[str, str | int]) -> list[WebHit]:
        try:
            answer = await self._calls.get_json(self._url, params)
        except Unavailable as error:
            raise Unavailable(
                f"{error.detail} A SearXNG server answers programs once its settings list json under search.formats.",
                code=error.code,
            ) from error
        if "results" not in answer:
            raise ProviderError("The SearXNG server sent no results member.", code="search_failed")
        return hits(answer["results"], title="title", url="url", description="content")


def _language(query: SearchQuery) -> str | None:
    if query.language and query.country and "-" not in query.language:
        return f"{query.language}-{query.country.upper()}"
    return query.language
