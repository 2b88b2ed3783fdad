"""Searching through DuckDuckGo's page for browsers without scripts; it needs no key."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.reading import hit
from dragoman.domain.tools.ports import SearchQuery, WebHit
from dragoman.kit.errors import QuotaExceeded

ADDRESS = "https://html.duckduckgo.com/html/"
_VOID = frozenset({"br", "img", "input", "hr", "meta", "link", "wbr"})
_HEADERS = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html",
}


class DuckDuckGoSearcher:
    """DuckDuckGo's results of one page."""

    def __init__(self, calls: ProviderCalls, url: str) -> None:
        self._calls = calls
        self._url = url

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results, without advertisements.

        Raises:
            QuotaExceeded: DuckDuckGo asks whether a person is searching.
        """
        params: dict[str, str | int] = {"q": query.text}
        if query.language or query.country:
            params["kl"] = _region(query)
        response = await self._calls.get(self._url, params, _HEADERS)
        page = _Results()
        page.feed(response.text)
        page.close()
        if response.status_code == 202 or (page.challenged and not page.found):
            raise QuotaExceeded(
                "DuckDuckGo takes no more searches from this server for now; the operator can choose another "
                "search.provider.",
                code="search_quota",
            )
        made = [hit(title, _target(link), description) for title, link, description in page.found]
        return [one for one in made if one is not None][: query.limit]


def _region(query: SearchQuery) -> str:
    language = (query.language or "en").lower().split("-")[0]
    country = (
        query.country or (query.language or "").partition("-")[2] or {"en": "us"}.get(language, language)
    )
    return f"{country.lower()}-{language}"


def _target(link: str) -> str:
    """Where a link leads, which goes by way of DuckDuckGo."""
    whole = urljoin("https://duckduckgo.com/", link)
    through = parse_qs(urlsplit(whole).query).get("uddg")
    return through[0] if through and urlsplit(whole).path.startswith("/l/") else whole


class _Results(HTMLParser):
    """Titles, links and descriptions of a page of results."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.challenged = False
        self._advertised: list[bool] = []
        self._field: str | None = None
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes where a result, its title or its description begins."""
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        self.challenged = self.challenged or any("anomaly" in name for name in classes)
        if self._field is not None:
            self._depth += tag not in _VOID
            return
        if "result" in classes:
            self._advertised.append("result--ad" in classes)
        if self._advertised and self._advertised[-1]:
            return
        if tag == "a" and "result__a" in classes:
            self.found.append(("", given.get("href", ""), ""))
            self._field, self._depth = "title", 1
        elif "result__snippet" in classes and self.found:
            self._field, self._depth = "description", 1

    def handle_endtag(self, tag: str) -> None:
        """Notes where a title or description ends."""
        if self._field is not None and tag not in _VOID:
            self._depth -= 1
            if self._depth <= 0:
                self._field = None

    def handle_data(self, data: str) -> None:
        """Keeps a piece of a title or description."""
        if self._field is None:
            return
        title, link, description = self.found[-1]
        if self._field == "title":
            title += data
        else:
            description += data
        self.found[-1] = (title, link, description)
