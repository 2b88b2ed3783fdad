"""What agents have of the web: search, pages, requests, pictures, documents, files at public addresses."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import httpx

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.adapters.searchers import brave, duckduckgo, google
from dragoman.adapters.searchers.brave import BraveSearcher
from dragoman.adapters.searchers.cached import CachedSearcher
from dragoman.adapters.searchers.calls import ProviderCalls
from dragoman.adapters.searchers.duckduckgo import DuckDuckGoSearcher
from dragoman.adapters.searchers.google import GoogleSearcher
from dragoman.adapters.searchers.searxng import SearxngSearcher
from dragoman.adapters.tools.advanced_web_search import advanced_web_search
from dragoman.adapters.tools.builtin import BuiltinTools
from dragoman.adapters.tools.documents import DocumentPrinter
from dragoman.adapters.tools.generate_files import generate_document, generate_web_page
from dragoman.adapters.tools.generate_image import generate_image
from dragoman.adapters.tools.images_api import ImagesApi
from dragoman.adapters.tools.open_url import open_url
from dragoman.adapters.tools.readable import ReadableHtml
from dragoman.adapters.tools.request import request
from dragoman.adapters.tools.web_search import web_search
from dragoman.adapters.tools.x_posts import XPosts, x_posts_search
from dragoman.db.database import Database
from dragoman.domain.agents.media import ParserText
from dragoman.domain.knowledge.ports import Parser
from dragoman.domain.tools.hosted.model import HostedKind
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.pages import PageLimits, PageReader
from dragoman.domain.tools.ports import Searcher
from dragoman.domain.tools.web import Web
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.processes import ChildPool
from dragoman.kit.public_address import PublicAddress
from dragoman.settings import Settings

_SEARCH_BYTES = 8 * 1024 * 1024
_PICTURE_BYTES = 64 * 1024 * 1024
_REQUEST_SECONDS = 30.0
_REQUEST_BYTES = 64 * 1024 * 1024
# A page is cut where it is read; the guard stops what grows beyond that all the same.
_SLACK_BYTES = 1024 * 1024
_CHILD_MEMORY_MB = 1024
_CHILD_IDLE_SECONDS = 60.0
_PUBLIC = "/api/v1/public/ext-res"


@dataclass(frozen=True, slots=True)
class WebParts:
    """The web for dialects, the files at public addresses, the tools for agents."""

    web: Web
    hosted: HostedFiles
    source: BuiltinTools


class _Opening:
    """Opens clients and child processes that end with the server."""

    def __init__(self, policy: EgressPolicy, stack: AsyncExitStack) -> None:
        self.policy = policy
        self._stack = stack

    def client(self, policy: EgressPolicy, seconds: float, max_bytes: int) -> httpx.AsyncClient:
        made = guarded_client(policy, timeout_seconds=seconds, max_bytes=max_bytes)
        self._stack.push_async_callback(made.aclose)
        return made

    def pool(self, name: str) -> ChildPool:
        made = ChildPool(
            size=1, memory_mb=_CHILD_MEMORY_MB, idle_seconds=_CHILD_IDLE_SECONDS, name=name, env=None
        )
        self._stack.push_async_callback(made.close)
        return made


def open_web(
    settings: Settings,
    *,
    policy: EgressPolicy,
    parser: Parser,
    database: Database,
    blobs: ObjectStoreBlobs,
    address: PublicAddress,
    stack: AsyncExitStack,
) -> WebParts:
    """The parts; what needs closing is given to the stack."""
    opening, search = _Opening(policy, stack), settings.search
    pages = PageReader(
        opening.client(policy, search.page_seconds, search.page_bytes + _SLACK_BYTES),
        html=ReadableHtml(opening.pool("page")),
        files=ParserText(parser, settings.data_dir / "uploads"),
        limits=PageLimits(search.page_bytes, search.page_seconds),
    )
    web = Web(
        pages,
        _searcher(settings, opening),
        _why_no_searcher(settings),
        search.language,
        search.text_characters,
    )
    hosting = settings.hosting

    def link(kind: HostedKind, token: str, name: str) -> str:
        shown = f"/{quote(name, safe='')}" if kind == "media" else ""
        return f"{address.base}{_PUBLIC}/{kind}/{token}{shown}"

    hosted = HostedFiles(database, blobs, link=link, days=hosting.days, owner_bytes=hosting.user_bytes)
    return WebParts(web, hosted, _functions(settings, opening, web, hosted))


def _functions(settings: Settings, opening: _Opening, web: Web, hosted: HostedFiles) -> BuiltinTools:
    search, images, operator = settings.search, settings.images, opening.policy.for_operator()
    x_token = search.x_token.get_secret_value() if search.x_token is not None else None
    posts = XPosts(opening.client(operator, search.seconds, _SEARCH_BYTES), search.x_url, x_token)
    requests = opening.client(opening.policy, _REQUEST_SECONDS, _REQUEST_BYTES)
    painter = ImagesApi(
        opening.client(operator, images.seconds, _PICTURE_BYTES),
        web.pages,
        base_url=images.base_url,
        key=images.api_key.get_secret_value() if images.api_key is not None else None,
        model=images.model,
        size=images.size,
    )
    printer = DocumentPrinter(opening.pool("print"), opening.policy)
    return BuiltinTools(
        {
            "web_search": partial(web_search, web),
            "advanced_web_usage": partial(advanced_web_search, web),
            "open_url": partial(open_url, web),
            "request": partial(request, requests, search.text_characters),
            "image_generation": partial(generate_image, painter, web.pages, hosted),
            "generate_document": partial(generate_document, printer, hosted),
            "generate_web_page": partial(generate_web_page, hosted),
            "x_posts_search": partial(x_posts_search, posts),
        }
    )


def _why_no_searcher(settings: Settings) -> str:
    if settings.offline:
        return "This server works offline, so that the web is not searched."
    return (
        "No web search is configured: the operator sets search.provider to searxng, brave, google or duckduckgo, "
        "and what it needs."
    )


def _searcher(settings: Settings, opening: _Opening) -> Searcher | None:
    search = settings.search
    key = search.api_key.get_secret_value() if search.api_key is not None else ""
    policy = opening.policy.for_operator()

    def calls(name: str) -> ProviderCalls:
        return ProviderCalls(opening.client(policy, search.seconds, _SEARCH_BYTES), name, search.seconds)

    made: Searcher
    match search.provider:
        case "none":
            return None
        case "searxng":
            made = SearxngSearcher(calls("SearXNG"), search.url or "")
        case "brave":
            made = BraveSearcher(calls("Brave"), search.url or brave.ADDRESS, key)
        case "google":
            made = GoogleSearcher(
                calls("Google"), search.url or google.ADDRESS, key, search.google_engine or ""
            )
        case "duckduckgo":
            made = DuckDuckGoSearcher(calls("DuckDuckGo"), search.url or duckduckgo.ADDRESS)
    return CachedSearcher(made, search.cache_seconds) if search.cache_seconds else made
