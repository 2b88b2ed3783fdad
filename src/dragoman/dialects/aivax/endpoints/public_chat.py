"""Talking in a session. The access key in the path is the credential."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from dragoman.dialects.aivax.auth import services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.chat_content import BODY, attachments, below, content_of, parts_of
from dragoman.dialects.aivax.chat_parameters import from_spec
from dragoman.dialects.aivax.chat_stream import DONE, PING, ChunkEncoder, frame
from dragoman.dialects.aivax.culture import culture
from dragoman.dialects.aivax.envelope import answer, json_response, said
from dragoman.domain.chat.following.service import RemoteTurn
from dragoman.domain.chat.model import ChatMessage, LiveSession
from dragoman.domain.chat.news import SessionNews
from dragoman.domain.chat.service import Prompt
from dragoman.domain.chat.turn import Reply, Turn
from dragoman.domain.chat.uploads.model import Upload, UploadLimits
from dragoman.domain.messages.events import Event
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonValue

log = structlog.get_logger(__name__)
router = APIRouter()

_BASE = "/public/chat-clients/{access_key}"
_DIALECT = "aivax"
_ELSEWHERE_SECONDS = 25.0
_GONE_POLL_SECONDS = 0.25
_NEVER_SECONDS = 86_400.0
_SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# What the page needs of the parameters; the others are the operator's.
_SHOWN = (
    "languageCode",
    "customScripts",
    "customStyles",
    "helloLabel",
    "helloSubLabel",
    "logoImageUrl",
    "primaryColor",
    "pageTitle",
    "suggestionButtons",
    "debug",
    "showToolCalls",
    "textAreaPlaceholder",
)


def _message(message: ChatMessage, uploads: Mapping[str, Upload], path: str) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = {
        "role": message.role,
        "content": content_of(message, uploads, place=below(path)),
        "message_id": message.id,
    }
    if message.citations:
        shown["annotations"] = [{"type": "document_citation", **one} for one in message.citations]
    if message.cancelled:
        shown["cancelled"] = True
    if message.author is not None:
        # Who it was is the operator's to know.
        shown["author"] = "person"
    return shown


def _client(live: LiveSession, limits: UploadLimits) -> dict[str, JsonValue]:
    spec = live.client.draft.spec
    parameters = from_spec(spec)
    return {
        **{name: parameters[name] for name in _SHOWN},
        "inputModes": ["text", *spec.input_modes],
        "audioSynthesisEnabled": spec.speech.source != "none",
        **({"voiceCallsEnabled": True} if spec.voice_calls else {}),
        "attachments": {
            "maximumBytes": limits.file_bytes,
            "maximumSessionBytes": limits.session_bytes,
            "maximumSessionFiles": limits.session_files,
            "unreadableTaken": spec.keep_unreadable_files,
        },
    }


@router.get(_BASE)
async def session_info(request: Request, access_key: str) -> Response:
    """What a page needs to show the session: what was said, words, looks.

    Source: AIVAX API, "Get Session Info".
    """
    services = services_of(request)
    live, said_so_far = await services.chat.said(access_key)
    spec = live.client.draft.spec
    uploads, base = await services.chat_uploads.named_in(live.session, said_so_far), quote(request.url.path)
    return answer(
        request,
        {
            "messages": [_message(message, uploads, base) for message in said_so_far],
            "chatTitle": spec.page_title or live.client.draft.name,
            "culture": culture(spec.language, request.headers.get("accept-language")),
            "client": _client(live, services.chat_uploads.limits),
            "chatCreationData": None,
            "takenOver": live.session.is_held(now_ms()),
            "labels": [
                {"label": one.label, "banner": one.banner, "color": one.color}
                for one in await services_of(request).labels.of_conversation(
                    live.owner.organisation_id, live.session.id
                )
            ],
        },
    )


@router.delete(_BASE)
async def cancel_inference(request: Request, access_key: str) -> Response:
    """Stops the answer under way, if there is one; what there is of it is kept.

    Source: AIVAX API, "Cancel Inference".
    """
    await services_of(request).chat.cancel(access_key)
    return said(request, "Inference cancelled.")


@router.post(_BASE + "/retry", status_code=204)
async def retry(request: Request, access_key: str) -> Response:
    """Removes what came after the user's last message; a prompt without a message then answers that one again.

    Source: AIVAX API, "Retry Last Message".
    """
    await services_of(request).chat.rewind(access_key)
    return Response(status_code=204)


@router.post(_BASE + "/clear")
async def clear(request: Request, access_key: str) -> Response:
    """Removes everything that was said.

    Source: the vendor's documentation mentions it; its form is this server's own.
    """
    await services_of(request).chat.clear(access_key)
    return said(request, "The session was cleared.")


@router.get(_BASE + "/transcript.json")
async def transcript(request: Request, access_key: str) -> Response:
    """Everything said, as a file.

    Source: AIVAX API, "Download Session Transcript".
    """
    services = services_of(request)
    live, said_so_far = await services.chat.said(access_key)
    session = live.session
    uploads = await services.chat_uploads.named_in(session, said_so_far)
    messages: list[JsonValue] = [
        {
            "role": message.role,
            "content": content_of(message, uploads),
            **({"cancelled": True} if message.cancelled else {}),
        }
        for message in said_so_far
    ]
    body: dict[str, JsonValue] = {
        "messages": messages,
        "context": session.extra_context or "",
        "sessionId": session.id,
        "metadata": dict(session.metadata),
    }
    name = f'attachment; filename="transcript-{session.id}.json"'
    return json_response(body, headers={"Content-Disposition": name})


@router.post(_BASE + "/prompt", openapi_extra=json_content(BODY))
async def send_prompt(request: Request, access_key: str) -> Response:
    """An answer, whole, or as server-sent events for who accepts ``text/event-stream``.

    Source: AIVAX API, "Send Prompt".
    """
    chat = services_of(request).chat
    live = await chat.find(access_key)
    values: dict[str, Any] = await _body(request)
    streamed = "text/event-stream" in request.headers.get("accept", "").lower()
    parts = parts_of(values["prompt"], live.client.draft.spec)
    turn = await chat.ask(access_key, Prompt(parts, _DIALECT, streamed))
    if streamed:
        return await _stream(request, live, turn, after=0, keep=request.query_params.get("keep") == "1")
    reply = await _while_connected(request, turn)
    return answer(request, _whole(live, reply))


@router.get(_BASE + "/events")
async def follow(request: Request, access_key: str) -> Response:
    """The answer under way from the event after ``after`` on, as server-sent events; 204 when there is none.

    Its form is this server's own: so a page that lost its connection, or was loaded anew, loses nothing of an answer that was
    asked for with ``keep=1``.
    """
    chat = services_of(request).chat
    live = await chat.find(access_key)
    wanted = request.query_params.get("after", "0")
    if not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 10):
        raise InvalidInput("after must be a whole number.", param="after")
    turn = await chat.under_way(access_key, seconds=_ELSEWHERE_SECONDS)
    if turn is None:
        return Response(status_code=204)
    return await _stream(request, live, turn, after=int(wanted), keep=True)


@router.get(_BASE + "/updates")
async def updates(request: Request, access_key: str) -> Response:
    """How the session stands, and whenever that changes, as server-sent events: the id of what was said last, and whether a person
    answers in the agent's place.

    Its form is this server's own.
    """
    watched = services_of(request).chat_news.watch(access_key)
    first = await anext(watched)

    async def frames() -> AsyncIterator[bytes]:
        async with aclosing(watched):
            yield _news(first)
            try:
                async for news in watched:
                    yield _news(news)
            except DragomanError as error:
                yield frame({"error": {"message": error.detail, "code": error.code}})

    return StreamingResponse(frames(), media_type="text/event-stream", headers=_SSE_HEADERS)


def _news(news: SessionNews | None) -> bytes:
    if news is None:
        return PING
    return frame({"lastMessageId": news.last_message_id, "takenOver": news.held})


async def _body(request: Request) -> dict[str, Any]:
    """The read body; one without a byte asks for an answer to what was said last."""
    if request.headers.get("content-length") == "0" or not (
        "content-length" in request.headers or "transfer-encoding" in request.headers
    ):
        return BODY.read_object({}, "")
    return await read_body(request, BODY)


async def _while_connected(request: Request, turn: Turn) -> Reply:
    """The reply; for a client that hangs up nobody works on."""
    waited = 0.0
    while not await turn.ended_within(_GONE_POLL_SECONDS):
        waited += _GONE_POLL_SECONDS
        if await request.is_disconnected():
            turn.cancel()
            log.info("chat.client_gone", seconds=waited)
            raise ClientDisconnect
    return await turn.reply()


def _whole(live: LiveSession, reply: Reply) -> dict[str, JsonValue]:
    done = reply.answer
    calls: list[JsonValue] = [
        {"id": call.id, "name": call.name, "arguments": call.arguments} for call in done.tool_calls
    ]
    if live.client.draft.spec.show_tool_calls:
        calls += [
            {"id": run.id, "name": run.name, "arguments": run.arguments, "state": run.state.capitalize()}
            for run in done.tool_runs
        ]
    return {
        "completionText": done.text,
        "reasoning": done.reasoning or None,
        "toolCalls": calls,
        "usage": {
            "promptTokens": done.usage.prompt_tokens,
            "completionTokens": done.usage.completion_tokens,
            "totalTokens": done.usage.total_tokens,
        },
        "messageId": reply.message_id,
        "cancelled": reply.cancelled,
        **({"takenOver": True} if reply.held else {}),
        **attachments(done.attachments),
    }


async def _stream(
    request: Request, live: LiveSession, turn: Turn | RemoteTurn, *, after: int, keep: bool
) -> Response:
    services = services_of(request)
    quiet = "no-ping" in request.headers.get("sse-stream-options", "").lower()
    idle = _NEVER_SECONDS if quiet else services.settings.chat.ping_seconds
    events = turn.events(idle_seconds=idle, after=after)
    encoder = ChunkEncoder(
        uuid7(), int(time.time()), live.client.draft.name, live.client.draft.spec.show_tool_calls
    )
    # The first event is awaited here, so that what fails before any output still gets its own status.
    try:
        first = await anext(events, None)
    except asyncio.CancelledError:
        turn.cancel()
        raise
    if first is None and await turn.ended_within(0):
        await turn.reply()

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield _numbered(encoder, first)
            async for event in events:
                yield _numbered(encoder, event)
            yield encoder.end(await turn.reply())
        except DragomanError as error:
            log.warning("chat.stream_failed", code=error.code, status=error.status)
            yield encoder.failed(error)
        finally:
            if not keep:
                turn.cancel()
        yield DONE

    return StreamingResponse(frames(), media_type="text/event-stream", headers=_SSE_HEADERS)


def _numbered(encoder: ChunkEncoder, told: tuple[int, Event] | None) -> bytes:
    """The frame of an event with its number, by which a reader that lost the connection goes on."""
    if told is None:
        return PING
    number, event = told
    piece = encoder.encode(event)
    return b"id: %d\n%b" % (number, piece) if piece else b""
