"""Searching through the Brave Search API."""

from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.reading import hits, inside
from dragoman.domain.tools.ports import SearchQuery, WebHit

ADDRESS = "https://api.search.brave.com/res/v1"
_MOST_A_PAGE = 20
_MOST_PAGES = 2


class BraveSearcher:
    """The Brave Search API with a subscription's key."""

    def __init__(self, calls: ProviderCalls, url: str, key: str) -> None:
        self._calls = calls
        self._url = f"{url.rstrip('/')}/web/search"
        self._headers = {"x-subscription-token": key}

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results."""
        found: dict[str, WebHit] = {}
        for page in range(_MOST_PAGES):
            params: dict[str, str | int] = {
                "q": query.text,
                "count": min(_MOST_A_PAGE, query.limit),
                "offset": page,
            }
            if query.country:
                params["country"] = query.country.upper()
            if query.language:
                params["search_lang"] = query.language.lower()
            answer = await self._calls.get_json(self._url, params, self._headers)
            new = hits(inside(answer, "web", "results"), title="title", url="url", description="description")
            found.update((one.url, one) for one in new)
            more = inside(answer, "query", "more_results_available")
            if len(found) >= query.limit or not new or more is False:
                break
        return list(found.values())[: query.limit]
