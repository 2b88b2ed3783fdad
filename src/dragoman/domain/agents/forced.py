"""Tool calls from models whose provider knows no tools, where a call is a must: asked for as JSON of a schema."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import orjson

from dragoman.domain.agents.ledger import Ledger
from dragoman.domain.agents.selfcall import as_text
from dragoman.domain.agents.structured import added
from dragoman.domain.inference.healing import Healer, StructuredOutput, checked_schema, feedback
from dragoman.domain.inference.ports import ChatModel, ChatRequest
from dragoman.domain.messages.events import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.domain.messages.fold import Folder
from dragoman.domain.messages.parts import Message, TextPart, ToolSpec
from dragoman.kit.errors import InvalidInput
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

_ATTEMPTS = 3
_HOW = (
    'Answer with one JSON object of the form {"name": "the tool", "arguments": {...}} that calls one of these tools, and '
    "with nothing else."
)


def must_call(request: ChatRequest) -> bool:
    """Whether the answer has to be a tool call."""
    choice = request.tool_choice
    return bool(request.tools) and choice is not None and choice.mode in ("required", "function")


class ForcedCall:
    """Asks one model for a call until it is one.

    Args:
        native: whether the provider can be asked for JSON of a schema.
    """

    def __init__(self, ledger: Ledger, model: ChatModel, healer: Healer, *, native: bool) -> None:
        self._ledger = ledger
        self._model = model
        self._healer = healer
        self._native = native

    async def events(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """The answer: a tool call, or after three attempts the text that is none.

        Raises:
            DragomanError: the model failed.
        """
        tools = _callable(request)
        schema = _schema(tools)
        asked, usage = _asking(request, tools, schema if self._native else None), Usage()
        for attempt in range(1, _ATTEMPTS + 1):
            folder = Folder()
            async with aclosing(self._ledger.stream(self._model, asked)) as events:
                async for event in events:
                    folder.add(event)
                    if isinstance(event, ReasoningDelta):
                        yield event
            answer = folder.answer()
            usage = added(usage, answer.usage)
            healed = await self._healer.read(StructuredOutput(schema), answer.text)
            if not healed.problems:
                wish = cast("JsonObject", healed.value)
                arguments = orjson.dumps(wish["arguments"]).decode()
                yield ToolCallDelta(0, f"call_{uuid7()}", str(wish["name"]), arguments)
                yield Finished("tool_calls", usage, answer.model)
                return
            if attempt == _ATTEMPTS:
                if answer.text:
                    yield TextDelta(answer.text)
                yield Finished(answer.finish_reason, usage, answer.model)
                return
            again = (
                Message.of_text("assistant", answer.text),
                Message.of_text("user", feedback(healed.problems)),
            )
            asked = replace(asked, messages=(*asked.messages, *again))


def _callable(request: ChatRequest) -> Sequence[ToolSpec]:
    choice = request.tool_choice
    named = choice.function if choice is not None else None
    return [tool for tool in request.tools if named is None or tool.name == named] or request.tools


def _asking(request: ChatRequest, tools: Sequence[ToolSpec], schema: JsonObject | None) -> ChatRequest:
    told = as_text(replace(request, tools=tuple(tools)))
    first = told.messages[0]
    turns = (replace(first, parts=(*first.parts, TextPart(_HOW))), *told.messages[1:])
    native = None
    if schema is not None:
        native = {"type": "json_schema", "json_schema": {"name": "tool_call", "schema": schema}}
    return replace(told, messages=turns, response_format=native)


def _schema(tools: Sequence[ToolSpec]) -> JsonObject:
    calls = [_call_schema(tool) for tool in tools]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _call_schema(tool: ToolSpec) -> JsonObject:
    try:
        arguments = checked_schema(tool.parameters or {"type": "object"}, param=tool.name)
    except InvalidInput:
        # A schema that nobody can check says nothing of the arguments.
        arguments = {"type": "object"}
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [tool.name]}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
