"""``POST /v1/chat/completions`` without a framework: key, plan, relay, in one line of plain calls.

What the relay cannot pass through untouched goes to the dialect's application with its body put back.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast
from urllib.parse import parse_qsl

import orjson
import structlog

from dragoman.dialects.openai.dressing import Charges, Dress, StreamDresser, dressed_whole
from dragoman.dialects.openai.encode import DONE, frame
from dragoman.dialects.openai.errors import error_body, render
from dragoman.dialects.openai.pinging import Pinger, pings_wanted
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.inference.relay import Relay, RelayCall, RelayStream, RelayTarget, WholeAnswer
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.asgi import Application, Message, Receive, Scope, Send
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, InvalidInput, TooLarge, Unauthenticated
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.presence import ClientGone, Presence
from dragoman.kit.slip import RECEIPT, WARNING
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)


_CREDENTIAL_HEADERS = (b"authorization", b"x-access-tokens", b"x-api-key", b"api-key")
_DIALECT = "openai"
_LAST_WORD_SECONDS = 5.0
_LARGE_BYTES = 512 * 1024
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Authenticator(Protocol):
    """What knows the keys in force; ``domain.accounts.keytable.KeyTable`` is one."""

    def authenticate(self, credential: str) -> Caller:
        """The caller, from memory."""
        ...

    async def authenticate_slow(self, credential: str) -> Caller:
        """The caller, looked up anew where memory knows none."""
        ...


Plan: TypeAlias = Callable[[Caller, str, JsonObject], RelayTarget | None]


@dataclass(frozen=True, slots=True)
class HotLimits:
    """Bounds of one request. ``ping_seconds``: the silence in a stream that a ping breaks."""

    body_bytes: int = 32 * 1024 * 1024
    deadline_seconds: float = 3600.0
    ping_seconds: float = 15.0


class HotRoute:
    """The ASGI application of the one hot route.

    Args:
        keys: tells who calls.
        plan: where a model of that name is relayed to, None when something has to be injected or inspected.
            It answers from memory; a DragomanError it raises is the answer.
        relay: carries it out.
        fallback: answers what is not relayed; mounted as for its own route.
        charges: prices what was used.
    """

    def __init__(
        self,
        *,
        keys: Authenticator,
        plan: Plan,
        relay: Relay,
        fallback: Application,
        tasks: TaskOwner,
        charges: Charges,
        limits: HotLimits | None = None,
    ) -> None:
        self._keys = keys
        self._plan = plan
        self._relay = relay
        self._fallback = fallback
        self._tasks = tasks
        self._charges = charges
        self._limits = limits or HotLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        answer = _Answer(send)
        try:
            caller = await self._caller(scope)
            raw = await _read_body(scope, receive, self._limits.body_bytes)
            call = self._call_of(caller, _decode(raw), answer.request_id)
            if call is None:
                await self._fallback(scope, _replay(raw, receive), send)
                return
            pinger = None
            if call.streamed and pings_wanted(scope):
                pinger = Pinger(answer.send_block, self._tasks, every_seconds=self._limits.ping_seconds)
            await self._relayed(call, answer, receive, pinger)
        except DragomanError as error:
            await answer.fail(error)
        except ClientGone:
            return
        except Exception as error:
            log.exception("openai.crashed", request_id=answer.request_id, error=type(error).__name__)
            await answer.fail(DragomanError("The server failed to carry this out.", code="internal_error"))

    async def _caller(self, scope: Scope) -> Caller:
        credential = _credential(scope)
        if credential is None:
            raise Unauthenticated("An API key is needed: send it as 'Authorization: Bearer sk-...'.")
        try:
            return self._keys.authenticate(credential)
        except Unauthenticated:
            # Another process may have made the key a moment ago.
            return await self._keys.authenticate_slow(credential)

    def _call_of(self, caller: Caller, body: JsonObject, request_id: str) -> RelayCall | None:
        model = body.get("model")
        if not isinstance(model, str):
            return None
        target = self._plan(caller, model, body)
        if target is None:
            return None
        user = body.get("user")
        context = UsageContext(
            caller=caller,
            dialect=_DIALECT,
            kind="chat",
            started_at=now_ms(),
            agent_id=target.agent_id,
            end_user=user if isinstance(user, str) else None,
            request_id=request_id,
        )
        shows_usage = target.agent_id is not None or _wants_usage(body)
        return RelayCall(target, body, context, shows_usage=shows_usage)

    async def _relayed(
        self, call: RelayCall, answer: "_Answer", receive: Receive, pinger: Pinger | None
    ) -> None:
        dress = Dress(
            answer.request_id,
            call.target.name,
            self._charges,
            of_gateway=call.target.agent_id is not None,
            wants_usage=_wants_usage(call.body),
        )
        presence = Presence(receive, self._tasks, deadline_seconds=self._limits.deadline_seconds)
        with presence, pinger or contextlib.nullcontext():
            call = await self._relay.reserve(call)
            # What limits refuse has no receipt.
            answer.used = True
            result = await self._relay.answer(call)
            answer.warnings = result.warnings
            if isinstance(result, WholeAnswer):
                await answer.whole(result.status, await _dressed(result, dress))
            else:
                await _pass_on(result, answer, StreamDresser(dress), pinger)


async def _dressed(result: WholeAnswer, dress: Dress) -> bytes:
    if len(result.body) > _LARGE_BYTES:
        return await asyncio.to_thread(dressed_whole, result.body, result.usage, dress)
    return dressed_whole(result.body, result.usage, dress)


async def _pass_on(
    stream: RelayStream, answer: "_Answer", dresser: StreamDresser, pinger: Pinger | None
) -> None:
    try:
        # What fails before any output still gets its own status.
        while block := await stream.next_block():
            block = dresser.feed(block) if stream.usage is None else dresser.end(block, stream.usage)
            if pinger is not None:
                await pinger.spoken()
            if block:
                await answer.send_block(block)
        await answer.end()
    finally:
        stream.close()


class _Answer:
    """The way back to the client. ``used``: it has a receipt; ``warnings``: soft limits that are used up."""

    def __init__(self, send: Send) -> None:
        self.request_id = uuid7()
        self._send = send
        self._begun = False
        self._ended = False
        self.used = False
        self.warnings: tuple[str, ...] = ()

    async def begin(self, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        self._begun = True
        request_id = self.request_id.encode("ascii")
        own = [(b"x-request-id", request_id)]
        if self.used:
            own.append((RECEIPT, request_id))
        if self.warnings:
            own.append((WARNING, " ".join(self.warnings).encode("latin-1", "replace")))
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})

    async def send_block(self, block: bytes) -> None:
        if not self._begun:
            await self.begin(_STREAM_HEADERS)
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        self._ended = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def whole(self, status: int, body: bytes) -> None:
        length = (b"content-length", b"%d" % len(body))
        await self.begin([(b"content-type", b"application/json"), length], status)
        await self.end(body)

    async def fail(self, error: DragomanError) -> None:
        """The error as the answer; once a stream has begun, as its last event before the terminator."""
        if self._ended:
            return
        if self._begun:
            # A client that does not read must not hold this up; the server then closes the connection.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    await self.end(frame(error_body(error)) + DONE)
            return
        status, headers, body = render(error)
        encoded = orjson.dumps(body)
        lines = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
        lines += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(encoded))]
        await self.begin(lines, status)
        await self.end(encoded)


def _wants_usage(body: JsonObject) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _credential(scope: Scope) -> str | None:
    headers = {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _CREDENTIAL_HEADERS
    }
    query = scope["query_string"]
    return parse_credentials(headers, dict(parse_qsl(query.decode("latin-1"))) if query else {})


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = cast("bytes", message.get("body", b""))
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")


def _decode(raw: bytes) -> JsonObject:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_json")
    return body


def _replay(raw: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body that was read already, then goes on."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return replayed
