"""Habits of models and providers: what a call must look like so that they take it.

Each is the effect of one of an agent's flags on what is sent. What comes back is dealt with in ``output``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.parts import Message, Part, TextPart, ToolCall
from dragoman.kit.jsontypes import JsonObject, JsonValue

_THINKING = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_REASONING_DETAILS = ("reasoning_details", "include_reasoning")
_NOT_SENT: Mapping[str, Callable[[Sampling], Sampling]] = MappingProxyType(
    {
        "no_temperature": lambda sampling: replace(sampling, temperature=None),
        "no_stop_parameter": lambda sampling: replace(sampling, stop=()),
        "no_reasoning_effort": lambda sampling: replace(sampling, reasoning_effort=None),
    }
)


def shaped(flags: Sequence[str], call: ChatRequest) -> ChatRequest:
    """The call as a model with these habits takes it."""
    sampling = call.sampling
    for flag, change in _NOT_SENT.items():
        if flag in flags:
            sampling = change(sampling)
    turns = [_with_reasoning(message, flags) for message in call.messages]
    if "rewrite_tool_calls_as_user_messages" in flags:
        turns = tool_calls_as_text(turns)
    if "no_system_instruct" in flags:
        turns = [replace(turn, role="user") if turn.role == "system" else turn for turn in turns]
    if "strict_user_assistant_turns" in flags:
        turns = alternating(turns)
    return replace(call, messages=tuple(turns), sampling=sampling, extra=_extra(call.extra, flags))


def _extra(extra: JsonObject, flags: Sequence[str]) -> JsonObject:
    """The provider's settings without what the flags say it must not be asked for."""
    kept: dict[str, JsonValue] = dict(extra)
    if "disable_reasoning_details" in flags:
        for name in _REASONING_DETAILS:
            kept.pop(name, None)
    if "disable_reasoning_summary" in flags:
        kept.pop("reasoning_summary", None)
        if isinstance(reasoning := kept.get("reasoning"), Mapping):
            kept["reasoning"] = {name: value for name, value in reasoning.items() if name != "summary"}
    if "no_reasoning_effort" in flags:
        kept.pop("reasoning_effort", None)
    return kept


def _with_reasoning(message: Message, flags: Sequence[str]) -> Message:
    """An earlier answer with its reasoning, if the model wants to see that again, else without."""
    if message.role != "assistant":
        return message
    stored = "include_stored_reasoning" in flags and "disable_reasoning_details" not in flags
    if not stored:
        parts = message.parts
        if "thinking_process" in flags and "preserve_thinking_tokens" not in flags:
            parts = tuple(_without_thinking(part) for part in parts)
        return replace(message, parts=parts, reasoning=None)
    if "thinking_process" in flags and message.reasoning:
        thought = TextPart(f"<think>\n{message.reasoning}\n</think>")
        return replace(message, parts=(thought, *message.parts), reasoning=None)
    return message


def _without_thinking(part: Part) -> Part:
    return TextPart(_THINKING.sub("", part.text)) if isinstance(part, TextPart) else part


def tool_calls_as_text(turns: Sequence[Message]) -> list[Message]:
    """The conversation with calls of tools and their results told in user turns."""
    calls: dict[str, ToolCall] = {}
    told: list[Message] = []
    for turn in turns:
        if turn.role == "tool":
            call = calls.get(turn.tool_call_id or "")
            asked = f"{call.name} with {call.arguments}" if call else turn.tool_call_id or "a tool"
            told.append(Message.of_text("user", f"[Result of {asked}]\n{turn.text}"))
            continue
        calls.update({call.id: call for call in turn.tool_calls})
        if turn.tool_calls and not turn.parts:
            continue
        told.append(replace(turn, tool_calls=()))
    return told


def alternating(turns: Sequence[Message]) -> list[Message]:
    """The conversation with neighbours of one role merged; tool calls and results stay as they are."""
    merged: list[Message] = []
    for turn in turns:
        last = merged[-1] if merged else None
        if last is not None and last.role == turn.role and turn.role != "tool" and not last.tool_calls:
            merged[-1] = replace(
                last,
                parts=_joined(last.parts, turn.parts),
                tool_calls=turn.tool_calls,
                reasoning="\n".join(filter(None, (last.reasoning, turn.reasoning))) or None,
            )
        else:
            merged.append(turn)
    return merged


def _joined(first: tuple[Part, ...], second: tuple[Part, ...]) -> tuple[Part, ...]:
    if all(isinstance(part, TextPart) for part in (*first, *second)):
        texts = [part.text for part in (*first, *second) if isinstance(part, TextPart) and part.text]
        return (TextPart("\n\n".join(texts)),)
    return (*first, *second)
