"""A chat provider on loopback that says what a test tells it to, in the words of one wire format."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dragoman.domain.messages.events import ReasoningDelta, TextDelta, ToolCallDelta

Delta = TextDelta | ReasoningDelta | ToolCallDelta


@dataclass
class Reply:
    """``pieces`` are written one by one. ``then``: ``end`` the response, ``cut`` the connection, or ``hang``
    until the caller goes."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    then: str = "end"


class FakeUpstream:
    """Answers each call with the next of ``replies``, the last one for ever; keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.hung_up = asyncio.Event()
        self.address = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            self.paths.append(first.split()[1])
            self.heads.append(fields)
            self.bodies.append(json.loads(await reader.readexactly(int(fields["content-length"]))))
            await self._reply(self.replies[min(len(self.bodies), len(self.replies)) - 1], reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _reply(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = {"content-type": reply.content_type, "transfer-encoding": "chunked", "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | reply.headers).items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode())
        for piece in reply.pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        if reply.then == "hang":
            await reader.read(1)
            self.hung_up.set()
        elif reply.then == "end":
            writer.write(b"0\r\n\r\n")
            await writer.drain()


class OpenAIWords:
    """How an OpenAI-compatible provider says things."""

    kind = "openai_chat"
    path = "/chat/completions"
    key_header = "authorization"

    @staticmethod
    def event(data: object) -> bytes:
        return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"

    def deltas(self, deltas: Sequence[Delta]) -> list[bytes]:
        return [self.event({"choices": [{"index": 0, "delta": self._delta(delta)}]}) for delta in deltas]

    @staticmethod
    def _delta(delta: Delta) -> dict[str, Any]:
        if isinstance(delta, TextDelta):
            return {"content": delta.text}
        if isinstance(delta, ReasoningDelta):
            return {"reasoning_content": delta.text}
        function = {"arguments": delta.arguments} | ({"name": delta.name} if delta.name else {})
        call = {"index": delta.index, "function": function} | ({"id": delta.id} if delta.id else {})
        return {"tool_calls": [call]}

    def end(self, reason: str = "stop", *, usage: bool = True) -> list[bytes]:
        counts = {
            "prompt_tokens": 20,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 12},
        }
        told = [self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})]
        if usage:
            told.append(self.event({"choices": [], "usage": counts}))
        return [*told, b"data: [DONE]\n\n"]

    def failure(self, message: str) -> bytes:
        return self.event({"error": {"message": message, "type": "server_error"}})


class AnthropicWords:
    """How Anthropic says things."""

    kind = "anthropic"
    path = "/messages"
    key_header = "x-api-key"

    @staticmethod
    def event(data: dict[str, Any]) -> bytes:
        return f"event: {data['type']}\r\ndata: {json.dumps(data, ensure_ascii=False)}\r\n\r\n".encode()

    def deltas(self, deltas: Sequence[Delta]) -> list[bytes]:
        usage = {"input_tokens": 8, "cache_read_input_tokens": 12, "output_tokens": 1}
        told = [
            self.event({"type": "message_start", "message": {"usage": usage}}),
            self.event({"type": "ping"}),
        ]
        open_block: object = None
        number = -1
        for delta in deltas:
            block = delta.index if isinstance(delta, ToolCallDelta) else type(delta).__name__
            if block != open_block:
                if open_block is not None:
                    told.append(self.event({"type": "content_block_stop", "index": number}))
                open_block, number = block, number + 1
                told.append(
                    self.event(
                        {"type": "content_block_start", "index": number, "content_block": self._block(delta)}
                    )
                )
            if said := self._delta(delta):
                told.append(self.event({"type": "content_block_delta", "index": number, "delta": said}))
        if open_block is not None:
            told.append(self.event({"type": "content_block_stop", "index": number}))
        return told

    @staticmethod
    def _block(delta: Delta) -> dict[str, Any]:
        if isinstance(delta, ToolCallDelta):
            return {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}
        return (
            {"type": "text", "text": ""}
            if isinstance(delta, TextDelta)
            else {"type": "thinking", "thinking": ""}
        )

    @staticmethod
    def _delta(delta: Delta) -> dict[str, Any] | None:
        if isinstance(delta, TextDelta):
            return {"type": "text_delta", "text": delta.text}
        if isinstance(delta, ReasoningDelta):
            return {"type": "thinking_delta", "thinking": delta.text}
        return {"type": "input_json_delta", "partial_json": delta.arguments} if delta.arguments else None

    def end(self, reason: str = "stop", *, usage: bool = True) -> list[bytes]:
        stop = {
            "stop": "end_turn",
            "length": "max_tokens",
            "tool_calls": "tool_use",
            "content_filter": "refusal",
        }[reason]
        delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": stop}}
        if usage:
            delta["usage"] = {"output_tokens": 7}
        return [self.event(delta), self.event({"type": "message_stop"})]

    def failure(self, message: str) -> bytes:
        return self.event({"type": "error", "error": {"type": "overloaded_error", "message": message}})
