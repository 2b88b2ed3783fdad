"""Answers that must be JSON of a schema: asked for again, with what was wrong, until they are."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.inference.healing import Healer, StructuredOutput, feedback
from dragoman.domain.messages.events import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import Unprocessable
from dragoman.kit.jsontypes import JsonObject

_LONGEST_PARAM = 1000

# One whole answer of the model to its messages with these behind them.
AnswerAgain = Callable[[tuple[Message, ...]], AsyncGenerator[Event]]


def response_format(spec: AgentSpec, request: RunRequest) -> JsonObject | None:
    """What the provider itself is asked for.

    A caller's own ``response_format`` always goes on. A schema that is checked here goes to the provider only
    when the agent's flags say that it can keep to one; otherwise the system text asks for it.
    """
    strict = "open_ai_strict_json" in spec.flags
    native = request.response_format
    if native is None and request.structured is not None and request.structured.schema:
        if not (strict or "structured_output_support" in spec.flags):
            return None
        native = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.structured.schema},
        }
    described = native.get("json_schema") if native is not None else None
    if native is not None and strict and isinstance(described, dict):
        return {**native, "json_schema": {**described, "strict": True}}
    return native


async def structured(
    again: AnswerAgain, wanted: StructuredOutput, healer: Healer, *, prefill: str
) -> AsyncGenerator[Event]:
    """The answer's events, its text being JSON that keeps to the schema.

    Tool runs and citations come as they happen, the text when it is right. An answer that calls the caller's
    tools, or that the provider withheld, is passed on as it is.

    Raises:
        Unprocessable: no attempt was right; ``param`` tells what was wrong with the last.
    """
    further: tuple[Message, ...] = ()
    total = Usage()
    problems: tuple[str, ...] = ()
    for _ in range(wanted.attempts):
        folder = Folder()
        async with aclosing(again(further)) as events:
            async for event in events:
                folder.add(event)
                if not isinstance(event, TextDelta | ReasoningDelta | Finished):
                    yield event
        answer = folder.answer()
        total = added(total, answer.usage)
        if answer.tool_calls or answer.finish_reason == "content_filter":
            for event in _told(answer, answer.text, total):
                yield event
            return
        healed = await healer.read(wanted, _with_prefill(answer.text, prefill))
        problems = healed.problems
        if not problems:
            for event in _told(answer, healed.text, total):
                yield event
            return
        further += (Message.of_text("assistant", answer.text), Message.of_text("user", feedback(problems)))
    raise Unprocessable(
        f"The model gave no JSON that keeps to the schema in {wanted.attempts} attempts: {'; '.join(problems[:3])}",
        param="; ".join(problems)[:_LONGEST_PARAM],
        code="structured_output_failed",
    )


def _with_prefill(text: str, prefill: str) -> str:
    return text if not prefill or text.startswith(prefill) else prefill + text


def _told(answer: Answer, text: str, usage: Usage) -> list[Event]:
    told: list[Event] = []
    if answer.reasoning:
        told.append(ReasoningDelta(answer.reasoning))
    if text:
        told.append(TextDelta(text))
    told.append(Finished(answer.finish_reason, usage, answer.model))
    return told


def added(first: Usage, second: Usage) -> Usage:
    """Both together."""
    return replace(
        first,
        prompt_tokens=first.prompt_tokens + second.prompt_tokens,
        completion_tokens=first.completion_tokens + second.completion_tokens,
        cached_tokens=first.cached_tokens + second.cached_tokens,
        reasoning_tokens=first.reasoning_tokens + second.reasoning_tokens,
        estimated=first.estimated or second.estimated,
    )
