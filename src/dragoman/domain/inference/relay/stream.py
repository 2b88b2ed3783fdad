"""A streamed answer on its way through."""

import asyncio

from dragoman.domain.inference.relay.refusal import broken, scrubbed
from dragoman.domain.inference.relay.scan import StreamScanner
from dragoman.domain.inference.relay.target import RelayCall
from dragoman.domain.inference.relay.usage import CountTokens, Transcript
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import Meter
from dragoman.kit.errors import DragomanError, ProviderError
from dragoman.kit.http1 import HttpError, Response
from dragoman.kit.tasks import TaskOwner

_CLIENT_GONE = 499
_DRAIN_SECONDS = 1.0


class RelayStream:
    """Blocks of whole events as the provider sends them, ending with its terminator.

    ``usage`` is there from the block with the terminator on. ``warnings``: soft limits that are used up.

    The usage record is written before the block with the terminator is handed out, or before the error
    is raised.
    Close it in any case: what was not read to its end is cancelled at the provider and metered
    with status 499.
    """

    def __init__(
        self, call: RelayCall, response: Response, *, meter: Meter, tasks: TaskOwner, count: CountTokens
    ) -> None:
        self._call = call
        self._response = response
        self._meter = meter
        self._tasks = tasks
        self._scanner = StreamScanner(hides_usage=True, keeps_null=call.shows_usage)
        self._transcript = Transcript(call.body, count)
        self._settled = False
        self.usage: Usage | None = None
        self.warnings = call.hold.warnings if call.hold is not None else ()

    async def next_block(self) -> bytes:
        """The next events, empty after the terminator.

        Raises:
            DragomanError: the provider failed amid the stream, or it ended without the terminator.
        """
        if self._settled:
            return b""
        scanner = self._scanner
        while True:
            if scanner.error is not None:
                raise await self._failed(ProviderError(scrubbed(scanner.error, self._call.target)))
            try:
                piece = await self._response.next_piece()
                block = scanner.feed(piece) if piece else scanner.finish()
            except HttpError as error:
                raise await self._failed(broken(error, self._call.target)) from error
            except ProviderError as error:
                raise await self._failed(error) from error
            if scanner.done:
                await self._ended(block)
                return block
            if block:
                self._transcript.add(block)
                return block
            if not piece and scanner.error is None:
                raise await self._failed(
                    ProviderError("The provider's stream broke off before its end.", retryable=True)
                )

    async def _ended(self, block: bytes) -> None:
        self._transcript.add(block)
        self.usage = self._scanner.usage or await self._transcript.estimate()
        self._record(self.usage, 200)
        if not self._response.complete:
            self._tasks.start(self._drain(), name="relay.drain")

    async def _failed(self, error: DragomanError) -> DragomanError:
        self._response.close()
        usage = self._scanner.usage or await self._transcript.estimate()
        self._record(usage, error.status)
        return error

    async def _drain(self) -> None:
        """Reads to the end of the exchange, so that its connection can be kept."""
        with self._response:
            try:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await self._response.next_piece():
                        pass
            except (TimeoutError, HttpError):
                return  # the answer is out; only the connection is not kept

    def close(self) -> None:
        """Cancels what still runs at the provider; a stream that has ended is left as it is."""
        if self._settled:
            return
        self._settled = True
        self._response.close()
        if self._scanner.usage is not None:
            self._write(self._scanner.usage, _CLIENT_GONE)
        else:
            self._tasks.start(self._settle_gone(), name="relay.settle")

    async def _settle_gone(self) -> None:
        try:
            usage = await self._transcript.estimate()
        except asyncio.CancelledError:
            self._write(self._transcript.rough(), _CLIENT_GONE)
            raise
        self._write(usage, _CLIENT_GONE)

    def _record(self, usage: Usage, status: int) -> None:
        if not self._settled:
            self._settled = True
            self._write(usage, status)

    def _write(self, usage: Usage, status: int) -> None:
        self._meter.record(
            self._call.context, model=self._call.target.name, usage=usage, status=status, hold=self._call.hold
        )
