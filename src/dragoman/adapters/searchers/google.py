"""Searching through Google's Custom Search JSON API."""

from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.reading import hits
from dragoman.domain.tools.ports import SearchQuery, WebHit

ADDRESS = "https://customsearch.googleapis.com/customsearch/v1"
_MOST_A_PAGE = 10


class GoogleSearcher:
    """A Programmable Search Engine, by its id and a key."""

    def __init__(self, calls: ProviderCalls, url: str, key: str, engine: str) -> None:
        self._calls = calls
        self._url = url
        self._key = key
        self._engine = engine

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results; the API gives ten at a time."""
        found: list[WebHit] = []
        while len(found) < query.limit:
            wanted = min(_MOST_A_PAGE, query.limit - len(found))
            params: dict[str, str | int] = {
                "key": self._key,
                "cx": self._engine,
                "q": query.text,
                "num": wanted,
                "start": len(found) + 1,
            }
            if query.language:
                params["lr"] = f"lang_{query.language.split('-')[0]}"
            if query.country:
                params["gl"] = query.country.lower()
            answer = await self._calls.get_json(self._url, params)
            new = hits(answer.get("items"), title="title", url="link", description="snippet")
            found.extend(new)
            if len(new) < wanted:
                break
        return found[: query.limit]
