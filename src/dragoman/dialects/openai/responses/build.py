"""A response built up event by event; streamed it tells each step, whole it is what stands at the end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dragoman.dialects.openai.responses.wire import Choice, ResponseRequest
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.kit.errors import DragomanError
from dragoman.kit.ids import uuid7

Json = dict[str, object]
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def new_id(kind: str) -> str:
    """An id as clients know them: ``resp_...``."""
    return f"{kind}_{uuid7().replace('-', '')}"


@dataclass(slots=True)
class _Open:
    """The output item that is being written."""

    item: Json
    index: int
    call: int | None = None
    written: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """What was written so far."""
        return "".join(self.written)


class Builder:
    """Takes the domain's events and gives this API's; ``response`` is the object as it stands."""

    def __init__(self, request: ResponseRequest, *, created: int) -> None:
        self.response = _skeleton(request, created)
        self._output: list[Json] = []
        self._open: _Open | None = None
        self._sequence = 0
        self._begun = False
        self._cited: tuple[Citation, ...] = ()

    def feed(self, event: Event, model: str | None) -> Iterator[Json]:
        """This API's events for one of the domain's."""
        if not self._begun:
            self._begun = True
            self.response["model"] = model or self.response["model"]
            yield self._told("response.created", response=dict(self.response))
            yield self._told("response.in_progress", response=dict(self.response))
        match event:
            case TextDelta(text):
                yield from self._text(text)
            case ReasoningDelta(text):
                yield from self._thought(text)
            case ToolCallDelta():
                yield from self._call(event)
            case CitationsFound(citations):
                self._cited = citations
            case Finished():
                yield from self._finish(event)
            case ToolRun() | Attached():
                pass  # tools of the server's own are not shown in this API

    def failed(self, error: DragomanError) -> list[Json]:
        """The last events of a stream that broke off."""
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        self.response |= {"status": "failed", "error": {"code": code, "message": error.detail}}
        return [
            self._told("error", code=error.code, message=error.detail, param=error.param),
            self._told("response.failed", response=dict(self.response)),
        ]

    def _told(self, kind: str, **values: object) -> Json:
        told: Json = {"type": kind, "sequence_number": self._sequence, **values}
        self._sequence += 1
        return told

    def _opened(self, item: Json, *, call: int | None = None) -> Iterator[Json]:
        yield from self._closed()
        self._open = _Open(item, len(self._output), call)
        yield self._told("response.output_item.added", output_index=self._open.index, item=dict(item))

    def _text(self, text: str) -> Iterator[Json]:
        if self._open is None or self._open.item["type"] != "message":
            message: Json = {
                "id": new_id("msg"),
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
            yield from self._opened(message)
            yield self._of_part("response.content_part.added", part=_output_text("", ()))
        yield self._of_part("response.output_text.delta", delta=text, logprobs=[])
        self._write(text)

    def _thought(self, text: str) -> Iterator[Json]:
        if self._open is None or self._open.item["type"] != "reasoning":
            yield from self._opened(
                {"id": new_id("rs"), "type": "reasoning", "summary": [], "status": "in_progress"}
            )
            yield self._of_part("response.content_part.added", part={"type": "reasoning_text", "text": ""})
        yield self._of_part("response.reasoning_text.delta", delta=text)
        self._write(text)

    def _call(self, event: ToolCallDelta) -> Iterator[Json]:
        if self._open is None or self._open.call != event.index:
            item: Json = {
                "id": new_id("fc"),
                "type": "function_call",
                "status": "in_progress",
                "call_id": event.id or new_id("call"),
                "name": event.name or "",
                "arguments": "",
            }
            yield from self._opened(item, call=event.index)
        if event.arguments:
            yield self._of_item("response.function_call_arguments.delta", delta=event.arguments)
            self._write(event.arguments)

    def _write(self, text: str) -> None:
        assert self._open is not None
        self._open.written.append(text)

    def _of_item(self, kind: str, **values: object) -> Json:
        assert self._open is not None
        return self._told(kind, item_id=self._open.item["id"], output_index=self._open.index, **values)

    def _of_part(self, kind: str, **values: object) -> Json:
        return self._of_item(kind, content_index=0, **values)

    def _closed(self) -> Iterator[Json]:
        """Ends the open item, if one is."""
        now = self._open
        if now is None:
            return
        now.item["status"] = "completed"
        match now.item["type"]:
            case "message":
                part = _output_text(now.text, self._cited)
                for position, annotation in enumerate(_annotations(now.text, self._cited)):
                    yield self._of_part(
                        "response.output_text.annotation.added",
                        annotation_index=position,
                        annotation=annotation,
                    )
                yield self._of_part("response.output_text.done", text=now.text, logprobs=[])
                yield self._of_part("response.content_part.done", part=part)
                now.item["content"] = [part]
            case "reasoning":
                part = {"type": "reasoning_text", "text": now.text}
                yield self._of_part("response.reasoning_text.done", text=now.text)
                yield self._of_part("response.content_part.done", part=part)
                now.item["content"] = [part]
            case _:
                now.item["arguments"] = now.text
                yield self._of_item(
                    "response.function_call_arguments.done", name=now.item["name"], arguments=now.text
                )
        self._output.append(now.item)
        yield self._told("response.output_item.done", output_index=now.index, item=dict(now.item))
        self._open = None

    def _finish(self, event: Finished) -> Iterator[Json]:
        if self._open is None and not self._output:
            yield from self._text("")
        yield from self._closed()
        why = _INCOMPLETE.get(event.reason)
        if why is not None and self._output:
            self._output[-1]["status"] = "incomplete"
        self.response |= {
            "status": "completed" if why is None else "incomplete",
            "incomplete_details": None if why is None else {"reason": why},
            "model": event.model,
            "output": self._output,
            "usage": usage_object(event.usage),
        }
        kind = "response.completed" if why is None else "response.incomplete"
        yield self._told(kind, response=dict(self.response))


def usage_object(usage: Usage) -> Json:
    """Token counts."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def _output_text(text: str, cited: tuple[Citation, ...]) -> Json:
    return {"type": "output_text", "text": text, "annotations": _annotations(text, cited), "logprobs": []}


def _annotations(text: str, cited: tuple[Citation, ...]) -> list[Json]:
    """The documents behind the marks of the text, each at its first mark."""
    return [
        {
            "type": "file_citation",
            "file_id": citation.document_id,
            "filename": citation.document_name,
            "index": max(0, text.find(f"[{citation.number}]")),
        }
        for citation in cited
    ]


def _skeleton(request: ResponseRequest, created: int) -> Json:
    choice = request.tool_choice
    reasoning, text = request.reasoning, request.text
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.most_tokens,
        "model": request.model,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "store": request.store is not False,
        "temperature": request.temperature,
        "text": {"format": (text.format if text else None) or {"type": "text"}},
        "tool_choice": choice.model_dump(exclude_none=True)
        if isinstance(choice, Choice)
        else choice or "auto",
        "tools": [tool.model_dump(exclude_none=True) for tool in request.tools or ()],
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
        "metadata": request.metadata or {},
    }
