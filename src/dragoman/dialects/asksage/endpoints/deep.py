"""Deep agents: following them, listing them, stopping them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast

import structlog
from starlette.responses import Response, StreamingResponse

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.deep_calls import empty_answer, no_run
from dragoman.dialects.asksage.encode import references
from dragoman.dialects.asksage.errors import status_of
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.dialects.asksage.streaming import EVENT_STREAM, HEADERS, line, server_sent, wants_events
from dragoman.domain.agents.deep.encode import citations_of
from dragoman.domain.agents.deep.model import DeepUpdate
from dragoman.kit.errors import DragomanError, NotFound
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

_ID = (Field("deep_agent_id", "integer", required=True, minimum=1),)
_LISTED = 100


def _done(payload: JsonObject) -> dict[str, object]:
    counts = {name: cast("int", payload.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")}
    counts["total_tokens"] = sum(counts.values())
    added = {name: payload[name] for name in ("notice", "web_problem") if payload.get(name)}
    return {
        **empty_answer(),
        "message": payload.get("text"),
        "uuid": payload.get("id"),
        "references": references(citations_of(payload)),
        "added_obj": added or None,
        "usage": {"model_tokens": counts, "asksage_tokens": counts["total_tokens"], **counts},
    }


def _pieces(update: DeepUpdate) -> list[Mapping[str, object]]:
    """An update as clients read it; an answer is told as text, and as the end when nothing comes after it."""
    payload = update.payload
    match update.kind:
        case "question":
            return [{"type": "status", "message": f"Question: {payload.get('message')}"}]
        case "status":
            return [{"type": "status", "message": payload.get("message")}]
        case "plan":
            return [{"type": "plan", "questions": payload.get("questions")}]
        case "source":
            return [{"type": "tool", "name": "search", "message": payload.get("title"), "source": payload}]
        case "note":
            return [{"type": "note", "question": payload.get("question"), "message": payload.get("message")}]
        case "answer":
            answer = {name: value for name, value in _done(payload).items() if name != "type"}
            end = {"type": "done" if update.last else "answer", **answer, "status": 200}
            return [{"type": "delta", "message": payload.get("text")}, end] if update.last else [end]
        case _:
            said = payload.get("message")
            return [
                {
                    "type": "error",
                    "response": said,
                    "error": said,
                    "status": 500 if payload.get("code") == "failed" else 400,
                }
            ]


async def _body(
    call: Call, first: DeepUpdate | None, updates: AsyncGenerator[DeepUpdate | None], *, as_events: bool
) -> AsyncGenerator[bytes]:
    frame, quiet = (server_sent, b": \n\n") if as_events else (line, b"\n")
    try:
        async with aclosing(updates):
            for piece in [] if first is None else _pieces(first):
                yield frame(piece)
            async for update in updates:
                for piece in [] if update is None else _pieces(update):
                    yield frame(piece)
                if update is None:
                    yield quiet
    except DragomanError as error:
        log.warning("asksage.stream_failed", code=error.code, reason=error.detail)
        status = status_of(error, auth_error_status=call.services.settings.asksage.auth_error_status)
        yield frame({"type": "error", "response": error.detail, "error": error.detail, "status": status})
    if as_events:
        yield b"data: [DONE]\n\n"


@operation("get-deep-agent", methods=CHANGE, fields=_ID)
async def get_deep_agent(call: Call) -> Response:
    """All that a deep agent of the caller's told from its beginning, then what it tells, up to its end.

    Source: Ask Sage Server API, "get-deep-agent".
    """
    number = call.inputs.integer("deep_agent_id")
    assert number is not None
    updates = call.services.deep.follow(call.caller, number)
    try:
        first = await anext(updates, None)
    except NotFound as error:
        raise no_run(number, error) from error
    as_events = wants_events(call.request.headers.get("accept", ""))
    return StreamingResponse(
        _body(call, first, updates, as_events=as_events),
        media_type=EVENT_STREAM if as_events else "text/plain; charset=utf-8",
        headers=HEADERS,
    )


@operation("cancel-deep-agent", methods=CHANGE, fields=_ID)
async def cancel_deep_agent(call: Call) -> dict[str, object]:
    """Stops a deep agent of the caller's; one that has ended stays as it is.

    Source: an addition; the published pages have no such operation.
    """
    number = call.inputs.integer("deep_agent_id")
    assert number is not None
    try:
        stopped = await call.services.deep.cancel(call.caller, number)
    except NotFound as error:
        raise no_run(number, error) from error
    return {"response": "OK" if stopped else "It had ended already.", "deep_agent_id": number}


@operation("get-deep-agents", methods=READ)
async def get_deep_agents(call: Call) -> dict[str, object]:
    """The caller's latest deep agents, newest first.

    Source: an addition; the published pages have no such operation.
    """
    runs = await call.services.deep.latest(call.caller, _LISTED)
    return {
        "response": [
            {
                "deep_agent_id": run.number,
                "message": run.question,
                "state": run.state,
                "turns": run.turn,
                "date_creation": http_date(run.created_at),
                "date_modification": http_date(run.updated_at),
            }
            for run in runs
        ]
    }
