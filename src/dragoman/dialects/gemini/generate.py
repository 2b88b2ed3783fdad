"""Content by a model or gateway: whole, as a stream, and how many tokens a request is."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dragoman.dialects.gemini.auth import caller_of, services_of
from dragoman.dialects.gemini.decode import conversation, decode, decode_count, run_request, tool_specs
from dragoman.dialects.gemini.encode import Encoder
from dragoman.dialects.gemini.errors import error_body, render
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.messages.events import Event, Finished
from dragoman.domain.messages.fold import Folder, fold_stream
from dragoman.domain.messages.parts import ImagePart, Message, ToolSpec
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError, NotFound
from dragoman.kit.eventstream import EventStream, Wording
from dragoman.kit.ids import uuid7
from dragoman.kit.jsonbody import read_json
from dragoman.kit.presence import while_connected

_TOKENS_PER_IMAGE = 258


def _frame(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\r\n\r\n"


def _failed_frame(error: DragomanError) -> bytes:
    return _frame(error_body(error))


def _failed_item(error: DragomanError) -> bytes:
    return b",\r\n" + orjson.dumps(error_body(error))


_EVENTS = Wording(refused=render, failed=_failed_frame)
# Nothing but white space may be sent between the items, and nothing before the first.
_ITEMS = Wording(refused=render, failed=_failed_item, ended=b"]", ping=b"\r\n", media_type="application/json")


@dataclass(slots=True)
class _Turn:
    """One request on its way through the domain."""

    services: Services
    caller: Caller
    agent: ResolvedAgent
    run: RunRequest
    encoder: Encoder
    report: RunReport = field(default_factory=RunReport)

    def events(self) -> AsyncGenerator[Event]:
        """The answer."""
        return self.services.runner.run(self.caller, self.agent, self.run, self.report)


async def _turn(request: Request, model: str) -> _Turn:
    caller, services = await caller_of(request), services_of(request)
    wanted = decode(await read_json(request.stream()))
    run = run_request(wanted)
    thinking = wanted.generation_config.thinking_config if wanted.generation_config else None
    encoder = Encoder(uuid7(), with_thoughts=thinking is not None and thinking.include_thoughts is True)
    return _Turn(services, caller, await services.runner.resolve(caller, model), run, encoder)


async def generate(request: Request, model: str) -> Response:
    """A model's or gateway's answer.

    Source: Gemini API, "models.generateContent".
    """
    turn = await _turn(request, model)
    answer = await while_connected(request.receive, fold_stream(turn.events()))
    return JSONResponse(turn.encoder.whole(answer))


async def stream(request: Request, model: str) -> Response:
    """The answer in pieces: server-sent events with ``alt=sse``, else one JSON array.

    Source: Gemini API, "models.streamGenerateContent".
    """
    turn = await _turn(request, model)
    if request.query_params.get("alt", "").lower() == "sse":
        seconds = turn.services.settings.chat.ping_seconds
        return EventStream(_framed(turn), _EVENTS, ping_seconds=seconds)  # pyright: ignore[reportReturnType]
    return EventStream(_items(turn), _ITEMS, ping_seconds=None)  # pyright: ignore[reportReturnType]


async def _pieces(turn: _Turn) -> AsyncGenerator[dict[str, object]]:
    folder = Folder()
    async with aclosing(turn.events()) as events:
        async for event in events:
            folder.add(event)
            if isinstance(event, Finished):
                yield turn.encoder.end(folder.answer())
            elif (piece := turn.encoder.piece(event, turn.report.model or turn.agent.name)) is not None:
                yield piece


async def _framed(turn: _Turn) -> AsyncGenerator[bytes]:
    async with aclosing(_pieces(turn)) as pieces:
        async for piece in pieces:
            yield _frame(piece)


async def _items(turn: _Turn) -> AsyncGenerator[bytes]:
    before = b"["
    async with aclosing(_pieces(turn)) as pieces:
        async for piece in pieces:
            yield before + orjson.dumps(piece)
            before = b",\r\n"


async def count(request: Request, model: str) -> Response:
    """How many tokens a request is, by the local vocabulary for the model.

    Source: Gemini API, "models.countTokens".
    """
    caller, services = await caller_of(request), services_of(request)
    wanted = decode_count(await read_json(request.stream()))
    await services.runner.resolve(caller, model)
    tokens = await _tokens(services, model, conversation(wanted), tool_specs(wanted))
    return JSONResponse({"totalTokens": tokens})


async def _tokens(
    services: Services, model: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> int:
    texts = [message.text for message in messages]
    texts += [call.name + call.arguments for message in messages for call in message.tool_calls]
    texts += [
        f"{tool.name} {tool.description or ''} {orjson.dumps(tool.parameters).decode()}" for tool in tools
    ]
    counted = await services.tokens.total(texts, model)
    images = sum(isinstance(part, ImagePart) for message in messages for part in message.parts)
    return counted.tokens + _TOKENS_PER_IMAGE * images


_METHODS = {"generateContent": generate, "streamGenerateContent": stream, "countTokens": count}


async def called(request: Request) -> Response:
    """Carries out ``models/{model}:{method}``."""
    model, _, method = request.path_params["called"].rstrip("/").rpartition(":")
    handler = _METHODS.get(method)
    if handler is None or not model:
        raise NotFound(f"There is no method {method!r} of models here; there are {', '.join(_METHODS)}.")
    return await handler(request, model)
