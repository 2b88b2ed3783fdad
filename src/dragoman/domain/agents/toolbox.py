"""Tools that the server itself carries out while an answer is being made."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import orjson
import structlog

from dragoman.domain.messages.events import ToolRun
from dragoman.domain.messages.parts import ToolCall, ToolSpec
from dragoman.domain.tools.model import ServerTool, ToolResult
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

_SECONDS = 120.0
_REASON, _GOAL = "_tool_reason", "_tool_goal"
_EXPLANATIONS: Mapping[str, JsonValue] = {
    _REASON: {"type": "string", "description": "Why you call this tool now, in one short sentence."},
    _GOAL: {"type": "string", "description": "What you want to learn or achieve by it."},
}


class Toolbox:
    """The server's tools of one run.

    Args:
        tools: by their specs' names.
        explain: whether the model is asked why it calls a tool; the tools never see these arguments.
    """

    def __init__(self, tools: Sequence[ServerTool] = (), *, explain: bool = False) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._explain = explain

    def __bool__(self) -> bool:
        return bool(self._tools)

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model sees them."""
        specs = (tool.spec for tool in self._tools.values())
        return tuple(_explained(spec) for spec in specs) if self._explain else tuple(specs)

    def check_apart_from(self, others: Sequence[ToolSpec]) -> None:
        """Refuses a caller's tool of the same name.

        Raises:
            InvalidInput: names the tool.
        """
        for other in others:
            if other.name in self._tools:
                raise InvalidInput(
                    f"The tool name {other.name!r} is used twice: by {self._tools[other.name].owner} and by one of "
                    "the caller's tools.",
                    param="tools",
                    code="duplicate_tool",
                )

    async def run(self, call: ToolCall) -> AsyncGenerator[ToolRun | ToolResult]:
        """The call's beginning, its result, its end. A failure is a result that the model can read."""
        arguments, problem = _arguments(call.arguments)
        begun = ToolRun(
            call.id,
            call.name,
            orjson.dumps({k: v for k, v in arguments.items() if k not in _EXPLANATIONS}).decode(),
            "created",
            reason=_text(arguments.get(_REASON)),
            goal=_text(arguments.get(_GOAL)),
        )
        yield begun
        started = time.monotonic()
        failed = problem is not None
        result = ToolResult(f"Error: {problem}")
        if not failed:
            kept = {name: value for name, value in arguments.items() if name not in _EXPLANATIONS}
            result, failed = await self._result(call.name, kept)
        yield result
        yield replace(
            begun,
            state="failed" if failed else "completed",
            result=result.text,
            duration_ms=round(1000 * (time.monotonic() - started)),
        )

    async def _result(self, name: str, arguments: JsonObject) -> tuple[ToolResult, bool]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._tools[name].call(arguments), False
        except DragomanError as error:
            log.info("tool.failed", tool=name, code=error.code)
            return ToolResult(f"Error: {error.detail}"), True
        except TimeoutError:
            log.warning("tool.timeout", tool=name)
            return ToolResult(f"Error: the tool did not answer within {_SECONDS:g} seconds."), True


def _arguments(text: str) -> tuple[JsonObject, str | None]:
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        return {}, f"the arguments are not valid JSON: {error}"
    if not isinstance(arguments, dict):
        return {}, "the arguments must be a JSON object."
    return cast("JsonObject", arguments), None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _explained(spec: ToolSpec) -> ToolSpec:
    schema = dict(spec.parameters or {"type": "object"})
    properties = schema.get("properties")
    schema["properties"] = {**(properties if isinstance(properties, Mapping) else {}), **_EXPLANATIONS}
    return replace(spec, parameters=schema)
