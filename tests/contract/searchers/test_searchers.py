"""Every search provider's wire format, against a server on loopback that speaks it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest
from tests.fake_web import Asked, FakeWeb, Told

from dragoman.adapters.searchers.brave import BraveSearcher
from dragoman.adapters.searchers.cached import CachedSearcher
from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.duckduckgo import DuckDuckGoSearcher
from dragoman.adapters.searchers.google import GoogleSearcher
from dragoman.adapters.searchers.searxng import SearxngSearcher
from dragoman.domain.tools.ports import Searcher, SearchQuery, WebHit
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import DeadlineExceeded, ProviderError, QuotaExceeded, Unavailable

JSON = "application/json"


def _all(count: int) -> list[WebHit]:
    return [
        WebHit(f"Title {n} & more", f"https://site{n}.example/a?b={n}", f"About {n}.") for n in range(count)
    ]


def _json(value: object) -> Told:
    return Told(json.dumps(value).encode(), JSON)


def _searxng(hits: list[WebHit]) -> Callable[[Asked], Told]:
    def answer(asked: Asked) -> Told:
        start = 10 * (int(asked.query["pageno"]) - 1)
        rows = [
            {"title": hit.title, "url": hit.url, "content": hit.description, "engine": "x"}
            for hit in hits[start : start + 10]
        ]
        return _json({"query": asked.query["q"], "results": rows, "answers": [], "infoboxes": []})

    return answer


def _brave(hits: list[WebHit]) -> Callable[[Asked], Told]:
    def answer(asked: Asked) -> Told:
        count, page = int(asked.query["count"]), int(asked.query["offset"])
        rows = [
            {
                "title": hit.title.replace("Title", "<strong>Title</strong>"),
                "url": hit.url,
                "description": hit.description,
            }
            for hit in hits[count * page : count * (page + 1)]
        ]
        more = len(hits) > count * (page + 1)
        query = {"original": asked.query["q"], "more_results_available": more}
        return _json({"type": "search", "query": query, "web": {"type": "search", "results": rows}})

    return answer


def _google(hits: list[WebHit]) -> Callable[[Asked], Told]:
    def answer(asked: Asked) -> Told:
        start, count = int(asked.query["start"]) - 1, int(asked.query["num"])
        assert count <= 10
        rows = [
            {"kind": "customsearch#result", "title": hit.title, "link": hit.url, "snippet": hit.description}
            for hit in hits[start : start + count]
        ]
        return _json({"kind": "customsearch#search", **({"items": rows} if rows else {})})

    return answer


def _duckduckgo(hits: list[WebHit]) -> Callable[[Asked], Told]:
    def block(hit: WebHit, classes: str) -> str:
        through = f"//duckduckgo.com/l/?uddg={quote(hit.url, safe='')}&amp;rut=abc"
        title = hit.title.replace("&", "&amp;").replace("Title", "<b>Title</b>")
        return f"""<div class="result results_links web-result {classes}"><div class="links_main"><h2 class="result__title">
        <a rel="nofollow" class="result__a" href="{through}">{title}</a></h2>
        <a class="result__url" href="{through}">shown</a>
        <a class="result__snippet" href="{through}">{hit.description}<br></a></div></div>"""

    def answer(asked: Asked) -> Told:
        advert = block(WebHit("Buy", "https://shop.example/", "Now."), "result--ad")
        body = advert + "".join(block(hit, "") for hit in hits)
        return Told(f"<html><body><div id='links'>{body}</div></body></html>".encode())

    return answer


@dataclass
class Kind:
    """A provider: its searcher, its path, how it answers."""

    make: Callable[[ProviderCalls, str], Searcher]
    path: str
    answer: Callable[[list[WebHit]], Callable[[Asked], Told]]


KINDS = {
    "searxng": Kind(lambda calls, url: SearxngSearcher(calls, url), "/search", _searxng),
    "brave": Kind(lambda calls, url: BraveSearcher(calls, url, "key-1"), "/web/search", _brave),
    "google": Kind(
        lambda calls, url: GoogleSearcher(calls, f"{url}/customsearch/v1", "key-1", "cx-1"),
        "/customsearch/v1",
        _google,
    ),
    "duckduckgo": Kind(lambda calls, url: DuckDuckGoSearcher(calls, f"{url}/html/"), "/html/", _duckduckgo),
}


@pytest.fixture
def web() -> Iterator[FakeWeb]:
    with FakeWeb() as web:
        yield web


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(EgressPolicy(operator=True)) as client:
        yield client


def calls_of(client: httpx.AsyncClient, **changes: float) -> ProviderCalls:
    return ProviderCalls(client, "Finder", pause_seconds=0.001, **changes)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


async def test_results_come_in_their_order_with_plain_texts(
    kind: Kind, web: FakeWeb, client: httpx.AsyncClient
) -> None:
    web.routes[kind.path] = kind.answer(_all(5))
    found = await kind.make(calls_of(client), web.origin).search(SearchQuery("harbour", 3))
    assert found == _all(3)


async def test_as_many_as_wanted_are_gathered_over_pages(
    kind: Kind, web: FakeWeb, client: httpx.AsyncClient
) -> None:
    web.routes[kind.path] = kind.answer(_all(25))
    found = await kind.make(calls_of(client), web.origin).search(SearchQuery("harbour", 25))
    assert found == _all(25)


async def test_nothing_found_is_no_failure(kind: Kind, web: FakeWeb, client: httpx.AsyncClient) -> None:
    web.routes[kind.path] = kind.answer([])
    assert await kind.make(calls_of(client), web.origin).search(SearchQuery("harbour")) == []


async def test_terms_and_domains_are_asked_for_in_words_engines_share(
    kind: Kind, web: FakeWeb, client: httpx.AsyncClient
) -> None:
    web.routes[kind.path] = kind.answer(_all(1))
    query = SearchQuery("öffnungs zeiten", 1, domains=("a.example", "b.example"))
    await kind.make(calls_of(client), web.origin).search(query)
    assert web.asked[0].query["q"] == "öffnungs zeiten site:a.example OR site:b.example"


async def test_a_provider_that_stumbles_is_asked_again(
    kind: Kind, web: FakeWeb, client: httpx.AsyncClient
) -> None:
    good, stumbles = kind.answer(_all(2)), [503, 429]

    def answer(asked: Asked) -> Told:
        return Told(b"", status=stumbles.pop()) if stumbles else good(asked)

    web.routes[kind.path] = answer
    assert await kind.make(calls_of(client), web.origin).search(SearchQuery("x", 2)) == _all(2)
    assert len(web.asked) == 3


@pytest.mark.parametrize(
    ("status", "error", "said", "times"),
    [
        (401, Unavailable, "search.api_key", 1),
        (403, Unavailable, "search.api_key", 1),
        (429, QuotaExceeded, "no more searches", 3),
        (500, ProviderError, "status 500. It says: broken", 3),
        (404, ProviderError, "status 404", 1),
    ],
)
async def test_a_refusal_says_what_to_do(
    kind: Kind,
    web: FakeWeb,
    client: httpx.AsyncClient,
    status: int,
    error: type[Exception],
    said: str,
    times: int,
) -> None:
    body = json.dumps({"error": {"message": "broken"}}).encode()
    web.routes[kind.path] = lambda _: Told(body, JSON, status=status)
    with pytest.raises(error, match=said):
        await kind.make(calls_of(client), web.origin).search(SearchQuery("x"))
    assert len(web.asked) == times


@pytest.mark.parametrize("name", ["searxng", "brave", "google"])
async def test_an_answer_that_is_no_json_is_the_providers_failure(
    name: str, web: FakeWeb, client: httpx.AsyncClient
) -> None:
    web.page(KINDS[name].path, "<html>hello</html>")
    with pytest.raises(ProviderError, match="no JSON"):
        await KINDS[name].make(calls_of(client), web.origin).search(SearchQuery("x"))


async def test_keys_language_and_country_go_where_each_provider_wants_them(
    web: FakeWeb, client: httpx.AsyncClient
) -> None:
    query = SearchQuery("x", 1, language="pt", country="br")
    for kind in KINDS.values():
        web.routes[kind.path] = kind.answer(_all(1))
        await kind.make(calls_of(client), web.origin).search(query)
    searxng, brave, google, duckduckgo = web.asked
    assert searxng.query["language"] == "pt-BR"
    assert (brave.headers["x-subscription-token"], brave.query["search_lang"], brave.query["country"]) == (
        "key-1",
        "pt",
        "BR",
    )
    assert (google.query["key"], google.query["cx"], google.query["lr"]) == ("key-1", "cx-1", "lang_pt")
    assert duckduckgo.query["kl"] == "br-pt"


async def test_duckduckgos_question_whether_a_person_searches_is_a_quota(
    web: FakeWeb, client: httpx.AsyncClient
) -> None:
    web.page("/html/", "<div class='anomaly-modal__title'>Unfortunately, bots use DuckDuckGo too.</div>")
    with pytest.raises(QuotaExceeded, match=r"search\.provider"):
        await DuckDuckGoSearcher(calls_of(client), f"{web.origin}/html/").search(SearchQuery("x"))


async def test_a_provider_that_cannot_be_reached_is_told_apart(client: httpx.AsyncClient) -> None:
    with FakeWeb() as gone:
        origin = gone.origin
    with pytest.raises(ProviderError, match="could not be reached"):
        await SearxngSearcher(calls_of(client), origin).search(SearchQuery("x"))


async def test_a_provider_that_does_not_answer_is_given_up(web: FakeWeb, client: httpx.AsyncClient) -> None:
    import threading

    released = threading.Event()

    def wait(_: Asked) -> Told:
        released.wait(5)
        return Told()

    web.routes["/search"] = wait
    with pytest.raises(DeadlineExceeded):
        await SearxngSearcher(calls_of(client, seconds=0.05), web.origin).search(SearchQuery("x"))
    released.set()


async def test_results_without_an_address_to_go_to_are_left_out(
    web: FakeWeb, client: httpx.AsyncClient
) -> None:
    rows = [
        {"title": "a"},
        {"url": "javascript:alert(1)"},
        "text",
        {"url": "https://b.example/", "title": None},
    ]
    web.page("/search", json.dumps({"results": rows}), JSON)
    found = await SearxngSearcher(calls_of(client), web.origin).search(SearchQuery("x"))
    assert found == [WebHit("https://b.example/", "https://b.example/", "")]


class _Counting:
    def __init__(self) -> None:
        self.asked: list[SearchQuery] = []
        self.broken = False

    async def search(self, query: SearchQuery) -> list[WebHit]:
        self.asked.append(query)
        if self.broken:
            raise ProviderError("down")
        return _all(1)


async def test_the_same_search_is_asked_once_within_the_time_and_failures_are_not_kept() -> None:
    now, inner = [0.0], _Counting()
    searcher = CachedSearcher(inner, 60, clock=lambda: now[0])
    inner.broken = True
    with pytest.raises(ProviderError):
        await searcher.search(SearchQuery("a"))
    inner.broken = False
    for _ in range(2):
        assert await searcher.search(SearchQuery("a")) == _all(1)
    await searcher.search(SearchQuery("a", 3))
    now[0] = 61
    await searcher.search(SearchQuery("a"))
    assert len(inner.asked) == 4


async def test_offline_a_provider_elsewhere_is_not_called_and_one_on_this_machine_is(
    kind: Kind, web: FakeWeb
) -> None:
    web.routes[kind.path] = kind.answer(_all(1))
    async with guarded_client(EgressPolicy(offline=True).for_operator()) as client:
        with pytest.raises(Unavailable, match="This server works offline"):
            await kind.make(calls_of(client), "http://search.example").search(SearchQuery("x"))
        assert await kind.make(calls_of(client), web.origin).search(SearchQuery("x", 1)) == _all(1)
