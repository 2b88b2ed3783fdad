"""Relaying one request to its provider."""

import asyncio
from dataclasses import dataclass, replace

from dragoman.domain.inference.relay.refusal import broken, no_answer, refusal
from dragoman.domain.inference.relay.stream import RelayStream
from dragoman.domain.inference.relay.target import RelayCall
from dragoman.domain.inference.relay.usage import (
    CountTokens,
    at_most_asked,
    estimate_whole,
    find_usage,
    most_answered,
)
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.budgets.limiter import Hold
from dragoman.domain.usage.meter import Meter
from dragoman.kit.errors import DragomanError, ProviderError
from dragoman.kit.http1 import Http1Client, HttpError, Response
from dragoman.kit.tasks import TaskOwner

_CLIENT_GONE = 499
_MAXIMUM_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """The provider's JSON as it came; its usage is recorded already. ``warnings``: soft limits that are used up."""

    status: int
    body: bytes
    usage: Usage
    warnings: tuple[str, ...] = ()


class Relay:
    """Passes requests on to OpenAI-compatible providers and their answers back.

    Args:
        client: for addresses from the server's own settings.
        guarded: for addresses that users give; without it such targets are refused.
        count: tokens in a text, for answers whose provider does not count; called outside the loop's thread.
    """

    def __init__(
        self,
        client: Http1Client,
        meter: Meter,
        *,
        tasks: TaskOwner,
        count: CountTokens,
        guarded: Http1Client | None = None,
    ) -> None:
        self._client = client
        self._guarded = guarded
        self._meter = meter
        self._tasks = tasks
        self._count = count

    async def reserve(self, call: RelayCall) -> RelayCall:
        """The call with what it may use reserved; it must be answered then.

        Raises:
            PaymentRequired: a limit of tokens or money is used up.
            QuotaExceeded: a limit of requests is.
            Unavailable: the database cannot be reached.
        """
        if not self._meter.limited(call.context.caller):
            return call
        return replace(call, hold=await self._reserved(call))

    async def answer(self, call: RelayCall) -> WholeAnswer | RelayStream:
        """The provider's answer: whole, or at the beginning of its stream. Cancelling closes the exchange.

        Raises:
            DragomanError: the provider refused or failed; it is metered.
        """
        try:
            response = await self._send(call)
            if call.streamed:
                return await self._streamed(call, response)
            return await self._whole(call, response)
        except asyncio.CancelledError:
            self._tasks.start(self._settle_gone(call), name="relay.settle")
            raise
        except DragomanError as error:
            self._record(call, Usage(estimated=True), error.status)
            raise

    async def _reserved(self, call: RelayCall) -> Hold | None:
        usage = Usage(
            prompt_tokens=at_most_asked(call.body),
            completion_tokens=most_answered(call.body, call.target.extra) or self._meter.answer_tokens,
            estimated=True,
        )
        return await self._meter.reserve(call.context, model=call.target.name, usage=usage)

    async def _send(self, call: RelayCall) -> Response:
        target = call.target
        client = self._guarded if target.user_given else self._client
        if client is None:
            raise ProviderError("Addresses given by users cannot be called here.", code="egress_refused")
        try:
            response = await client.request("POST", target.url, target.header_lines, call.payload())
        except HttpError as error:
            raise broken(error, target) from error
        except ValueError as error:
            raise ProviderError(
                "The model's address or headers cannot be sent.", code="provider_misconfigured"
            ) from error
        if not 200 <= response.status < 300:
            with response:
                raise await refusal(response, target)
        return response

    async def _streamed(self, call: RelayCall, response: Response) -> RelayStream:
        with_type = response.header(b"content-type") or b""
        if not with_type.startswith(b"text/event-stream"):
            response.close()
            raise ProviderError("The provider did not stream its answer as it was asked to.")
        _refuse_compressed(response)
        return RelayStream(call, response, meter=self._meter, tasks=self._tasks, count=self._count)

    async def _whole(self, call: RelayCall, response: Response) -> WholeAnswer:
        if b"json" not in (response.header(b"content-type") or b""):
            response.close()
            raise ProviderError("The provider's answer is not JSON.")
        _refuse_compressed(response)
        try:
            body = await response.read(_MAXIMUM_ANSWER_BYTES)
        except HttpError as error:
            raise broken(error, call.target) from error
        if b'"choices"' not in body:
            # Some report a failure, or a page of a proxy, with the status of success.
            raise no_answer(body, call.target)
        usage = find_usage(body)
        if usage is None:
            usage = await asyncio.to_thread(estimate_whole, call.body, body, self._count)
        self._record(call, usage, 200)
        return WholeAnswer(response.status, body, usage, call.hold.warnings if call.hold else ())

    async def _settle_gone(self, call: RelayCall) -> None:
        try:
            usage = await asyncio.to_thread(estimate_whole, call.body, b"", self._count)
        except asyncio.CancelledError:
            self._record(call, Usage(estimated=True), _CLIENT_GONE)
            raise
        self._record(call, usage, _CLIENT_GONE)

    def _record(self, call: RelayCall, usage: Usage, status: int) -> None:
        self._meter.record(call.context, model=call.target.name, usage=usage, status=status, hold=call.hold)


def _refuse_compressed(response: Response) -> None:
    if (response.header(b"content-encoding") or b"identity").lower() != b"identity":
        response.close()
        raise ProviderError("The provider compressed its answer though it was asked not to.")
