"""Messages: a model's or gateway's answer, whole or as events, and how many tokens a request is."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dragoman.dialects.anthropic.auth import caller_of, services_of
from dragoman.dialects.anthropic.decode import (
    MessagesRequest,
    conversation,
    decode,
    decode_count,
    run_request,
    tool_specs,
)
from dragoman.dialects.anthropic.encode import StreamEncoder, frame, message
from dragoman.dialects.anthropic.errors import error_body, render
from dragoman.dialects.anthropic.stops import Stopping
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta, Usage
from dragoman.domain.messages.fold import Folder
from dragoman.domain.messages.parts import ImagePart, Message, ToolSpec
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError
from dragoman.kit.eventstream import EventStream, Wording
from dragoman.kit.ids import uuid7
from dragoman.kit.jsonbody import read_json
from dragoman.kit.presence import while_connected

_TOKENS_PER_TURN = 4
_TOKENS_PER_IMAGE = 1600


def _failed(error: DragomanError) -> bytes:
    told = error_body(error)["error"]
    return frame("error", error=told)


_WORDING = Wording(refused=render, failed=_failed, ping=frame("ping"))


@dataclass(slots=True)
class _Turn:
    """One request on its way through the domain."""

    services: Services
    caller: Caller
    wanted: MessagesRequest
    agent: ResolvedAgent
    run: RunRequest
    input_tokens: int
    report: RunReport = field(default_factory=RunReport)

    @property
    def stopping(self) -> Stopping:
        """What ends the text early."""
        return Stopping(tuple(self.wanted.stop_sequences or ()))

    async def events(self, stopping: Stopping) -> AsyncGenerator[Event]:
        """The answer up to a stop sequence, always with its end."""
        written = 0
        running = self.services.runner.run(self.caller, self.agent, self.run, self.report)
        async with aclosing(running), aclosing(stopping.cut(running)) as events:
            async for event in events:
                if isinstance(event, TextDelta | ReasoningDelta):
                    written += len(event.text)
                yield event
        if stopping.found is not None:
            # The provider was cut short and has counted nothing.
            usage = Usage(self.input_tokens, -(-written // 4), estimated=True)
            yield Finished("stop", usage, self.report.model or self.wanted.model)


async def _turn(request: Request) -> _Turn:
    caller, services = await caller_of(request), services_of(request)
    wanted = decode(await read_json(request.stream()))
    run = run_request(wanted)
    agent = await services.runner.resolve(caller, wanted.model)
    tokens = await _tokens(services, wanted.model, run.conversation, run.tools)
    return _Turn(services, caller, wanted, agent, run, tokens)


async def create_message(request: Request) -> Response:
    """A model's or gateway's answer, whole or as server-sent events.

    Source: Anthropic API, "Create a Message".
    """
    turn = await _turn(request)
    if turn.wanted.stream:
        seconds = turn.services.settings.chat.ping_seconds
        return EventStream(_frames(turn), _WORDING, ping_seconds=seconds)  # pyright: ignore[reportReturnType]
    body = await while_connected(request.receive, _whole(turn))
    return JSONResponse(body)


async def _whole(turn: _Turn) -> dict[str, object]:
    stopping, folder = turn.stopping, Folder()
    async with aclosing(turn.events(stopping)) as events:
        async for event in events:
            folder.add(event)
    return message(
        folder.answer(),
        id=_message_id(),
        stop_sequence=stopping.found,
        with_thoughts=turn.wanted.shows_thoughts,
    )


async def _frames(turn: _Turn) -> AsyncGenerator[bytes]:
    stopping = turn.stopping
    encoder = StreamEncoder(_message_id(), turn.wanted.model, turn.input_tokens, turn.wanted.shows_thoughts)
    async with aclosing(turn.events(stopping)) as events:
        async for event in events:
            encoder.model = turn.report.model or encoder.model
            if isinstance(event, Finished):
                yield encoder.finish(event, stopping.found)
            elif piece := encoder.encode(event):
                yield piece


async def count_tokens(request: Request) -> Response:
    """How many tokens a request is, by the local vocabulary for the model.

    Source: Anthropic API, "Count tokens in a Message".
    """
    caller, services = await caller_of(request), services_of(request)
    wanted = decode_count(await read_json(request.stream()))
    await services.runner.resolve(caller, wanted.model)
    tokens = await _tokens(services, wanted.model, conversation(wanted), tool_specs(wanted))
    return JSONResponse({"input_tokens": tokens})


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
    return counted.tokens + _TOKENS_PER_TURN * len(messages) + _TOKENS_PER_IMAGE * images


def _message_id() -> str:
    return f"msg_{uuid7().replace('-', '')}"
