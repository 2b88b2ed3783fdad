"""The chat page, the widget and their files, mounted beside the dialects."""

import asyncio
import math
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dragoman.domain.chat.errors import ChatUnavailable
from dragoman.domain.chat.model import LiveSession, SessionDraft
from dragoman.domain.chat.service import Prompt
from dragoman.domain.chat.words import Words, words_in
from dragoman.domain.messages.parts import Part, TextPart
from dragoman.domain.services import Services
from dragoman.kit.errors import Conflict, DragomanError, QuotaExceeded, TooLarge, Unsupported
from dragoman.kit.gcra import RateLimit
from dragoman.kit.peers import visitor_of
from dragoman.web import html
from dragoman.web.assets import Asset, Assets
from dragoman.web.forms import read_form

log = structlog.get_logger(__name__)

_DIALECT = "web"
_YEAR = "public, max-age=31536000, immutable"
_HOUR = "public, max-age=3600"
_FORM_SECONDS = 120.0
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
_LABELS = {
    "message_limit": "fullLabel",
    "too_many_attachments": "tooManyFilesLabel",
    "attachment_empty": "emptyFileLabel",
}


class Pages:
    """Answers for the pages."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._assets = Assets()
        page = services.settings.pages
        self._opened_by_address = RateLimit(burst=page.sessions_burst, period_seconds=page.sessions_seconds)
        self._opened_by_client = RateLimit(
            burst=page.sessions_burst * 20, period_seconds=page.sessions_seconds / 20
        )

    def application(self) -> Starlette:
        """The application; its paths are whole."""
        return Starlette(
            routes=[
                Route("/chat/{key}", self.chat),
                Route("/chat/{key}", self.written, methods=["POST"]),
                Route("/chat/{key}/scripts", self.scripts),
                Route("/chat/{key}/passages/{message}/{number:int}", self.passage),
                Route("/embed.js", self.loader),
                Route("/embed/{client}", self.frame),
                Route("/embed/{client}/session", self.session, methods=["POST"]),
                Route("/assets/{name}", self.asset),
            ],
            exception_handlers={HTTPException: _not_found},
        )

    async def chat(self, request: Request) -> Response:
        """The page of one session."""
        words = words_in(None, request.headers.get("accept-language"))
        try:
            live, said = await self._services.chat.said(request.path_params["key"])
        except DragomanError as error:
            return self._refusal(words, error)
        spec = live.client.draft.spec
        words = words_in(spec.language, request.headers.get("accept-language"))
        key = request.path_params["key"]
        host = request.query_params.get("host", "")
        uploads = await self._services.chat_uploads.named_in(live.session, said)
        page = html.chat_page(
            title=spec.page_title or live.client.draft.name,
            words=words,
            script=self._assets.address("chat.js"),
            style=self._assets.address("chat.css"),
            data={
                "key": key,
                "host": host if host in spec.frame_origins else "",
                "highlight": self._assets.address("highlight.js"),
                "maths": self._assets.address("maths.js"),
                "unavailable": words["unavailableLabel"],
            },
            messages=said,
            place=html.Place(
                form=f"/chat/{quote(key)}",
                public=f"/api/v1/public/chat-clients/{quote(key)}",
                takes_files=bool(spec.input_modes),
                speaks=spec.speech.source != "none",
            ),
            scripts_frame=f"/chat/{key}/scripts" if spec.scripts else None,
            greeting=spec.greeting,
            banners=[
                one.banner
                for one in await self._services.labels.of_conversation(
                    live.owner.organisation_id, live.session.id
                )
            ],
            uploads=uploads,
        )
        policy = html.chat_policy(
            spec.frame_origins, own=_framed_here(request), calls=spec.voice_calls, logo=spec.logo_url
        )
        return HTMLResponse(page, headers=_guarded(policy))

    async def written(self, request: Request) -> Response:
        """What somebody without scripts wrote; the page with the answer comes next."""
        key = request.path_params["key"]
        words = words_in(None, request.headers.get("accept-language"))
        try:
            live = await self._services.chat.find(key)
            words = words_in(live.client.draft.spec.language, request.headers.get("accept-language"))
            parts = await self._written(request, key)
            if parts:
                turn = await self._services.chat.ask(key, Prompt(parts, _DIALECT))
                async with asyncio.timeout(_FORM_SECONDS):
                    await turn.reply()
        except TimeoutError:
            log.info("pages.form_timeout")
        except DragomanError as error:
            return self._refusal(words, error)
        return RedirectResponse(f"/chat/{key}", 303)

    async def _written(self, request: Request, key: str) -> tuple[Part, ...]:
        uploads = self._services.chat_uploads
        form = await read_form(request, most_bytes=uploads.limits.session_bytes)
        stored = [
            await uploads.put(key, name=file.name, media_type=file.media_type, data=file.data)
            for file in form.files
        ]
        text = (TextPart(form.text),) if form.text else ()
        return (*(upload.part for upload in stored), *text)

    async def passage(self, request: Request) -> Response:
        """A passage that an answer cites, as a page of its own for browsers without scripts."""
        at, accepted = request.path_params, request.headers.get("accept-language")
        words = words_in(None, accepted)
        try:
            live = await self._services.chat.find(at["key"])
            spec = live.client.draft.spec
            words = words_in(spec.language, accepted)
            found = await self._services.chat_cited.passage(at["key"], at["message"], at["number"])
        except DragomanError as error:
            return self._refusal(words, error)
        public = f"/api/v1/public/chat-clients/{quote(at['key'])}/messages/{at['message']}"
        page = html.passage_page(
            found,
            words=words,
            style=self._assets.address("chat.css"),
            back=f"/chat/{quote(at['key'])}",
            picture=f"{public}/citations/{found.number}/page.png",
        )
        return HTMLResponse(page, headers=_guarded(html.plain_policy(spec.frame_origins)))

    async def scripts(self, request: Request) -> Response:
        """The operator's own scripts, in a frame of an origin of their own."""
        live = await self._live(request)
        if live is None or not live.client.draft.spec.scripts:
            raise HTTPException(404)
        page = html.scripts_page(live.client.draft.spec.scripts)
        return HTMLResponse(page, headers={**_HEADERS, "Content-Security-Policy": html.scripts_policy()})

    async def loader(self, request: Request) -> Response:
        """The script that draws the widget's button on a foreign page."""
        return _file(self._assets.named("embed.js"), _HOUR)

    async def frame(self, request: Request) -> Response:
        """The widget's frame, for the pages that the client lets show it."""
        words = words_in(None, request.headers.get("accept-language"))
        found = await self._services.chat_clients.public(request.path_params["client"])
        if found is None:
            return self._notice(words, words["unavailableLabel"], 404)
        spec = found.draft.spec
        page = html.embed_page(
            script=self._assets.address("frame.js"),
            style=self._assets.address("chat.css"),
            words=words_in(spec.language, request.headers.get("accept-language")),
            client_id=found.id,
            host=request.query_params.get("host", ""),
            failure=words["unavailableLabel"],
        )
        return HTMLResponse(
            page, headers=_guarded(html.chat_policy(spec.frame_origins, own=_framed_here(request)))
        )

    async def session(self, request: Request) -> Response:
        """A session for a visitor of an allowed page: its address. No key of the account is needed, and limits hold."""
        client_id = request.path_params["client"]
        found = await self._services.chat_clients.public(client_id)
        if found is None:
            return JSONResponse({"error": "The client is not available."}, 404)
        host = request.query_params.get("host", "")
        own = f"{request.url.scheme}://{request.url.netloc}"
        if host not in (*found.draft.spec.frame_origins, own, "") or (
            urlsplit(request.headers.get("origin", own)).netloc != request.url.netloc
        ):
            return JSONResponse({"error": "This page may not open the chat."}, 403)
        wait = self._opened_by_address.wait_seconds(_address(request))
        wait = wait or self._opened_by_client.wait_seconds(client_id)
        if wait:
            headers = {"Retry-After": str(int(wait) + 1)}
            return JSONResponse({"error": "Too many sessions; try again later."}, 429, headers=headers)
        seconds = self._services.settings.pages.session_seconds
        try:
            key = await self._services.chat_sessions.open_public(client_id, SessionDraft(seconds=seconds))
        except DragomanError as error:
            return JSONResponse({"error": error.detail}, error.status)
        return JSONResponse({"accessKey": key})

    async def asset(self, request: Request) -> Response:
        """A built file."""
        found = self._assets.at(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return _file(found, _YEAR)

    async def _live(self, request: Request) -> LiveSession | None:
        try:
            return await self._services.chat.find(request.path_params["key"])
        except DragomanError:
            return None

    def _refusal(self, words: Words, error: DragomanError) -> Response:
        """The page that says politely why nothing was done."""
        answer = self._notice(words, words[_label(error)], error.status)
        if error.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
        return answer

    def _notice(self, words: Words, text: str, status: int) -> Response:
        page = html.notice_page(title="Chat", text=text, words=words, style=self._assets.address("chat.css"))
        return HTMLResponse(page, status, headers=_guarded(html.plain_policy()))


def _guarded(policy: str) -> dict[str, str]:
    return {**_HEADERS, "Content-Security-Policy": policy}


def _file(asset: Asset, caching: str) -> Response:
    headers = {
        "Cache-Control": caching,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _address(request: Request) -> str:
    return visitor_of(request.client.host) if request.client else ""


def _label(error: DragomanError) -> str:
    """The words for a refusal."""
    if isinstance(error, QuotaExceeded):
        return "limitLabel"
    if error.code in _LABELS:
        return _LABELS[error.code]
    if isinstance(error, ChatUnavailable):
        return "unavailableLabel"
    if isinstance(error, Conflict):
        return "busyLabel"
    if isinstance(error, TooLarge):
        return "tooLargeLabel"
    if isinstance(error, Unsupported):
        return "mistypedLabel"
    return "errorLabel"


def _framed_here(request: Request) -> bool:
    """Whether a page of this server asks for a frame in it; a browser says so, and no page can make it say so."""
    told = request.headers
    if "sec-fetch-site" not in told:
        # Without encryption browsers keep it to themselves.
        return told.get("upgrade-insecure-requests") == "1"
    return told["sec-fetch-site"] == "same-origin" and told.get("sec-fetch-dest") == "iframe"


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(status_code=error.status_code, headers=dict[str, Any](error.headers or {}))


def create_app(services: Services) -> Starlette:
    """The application."""
    return Pages(services).application()
