"""The child process that holds conversations, with its pipes."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import IO, cast

import structlog

from dragoman.adapters.rooms.wire import Frame, Kind, Unpacker, packed
from dragoman.kit.errors import Unavailable
from dragoman.kit.offline import VARIABLE

log = structlog.get_logger(__name__)

_START_SECONDS = 60.0
_REPORT_BYTES = 2000
_IN, _OUT = 0, 1
# Nothing else of the parent's environment reaches the child: provider keys live there.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", VARIABLE)


class _Pipes(asyncio.SubprocessProtocol):
    """Hands messages over as they come; no task stands between the pipe and who takes them."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.handle: Callable[[Frame], None] = self._first
        self.ready: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()
        self._unpack = Unpacker(lambda frame: self.handle(frame))

    def _first(self, frame: Frame) -> None:
        _done(self.ready)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """Takes what the child has written."""
        try:
            self._unpack(cast(bytes, data))
        except ValueError as error:
            log.warning("voice.not_a_message", reason=str(error))
            _done(self.over)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The child has closed a pipe."""
        if fd == _OUT:
            _done(self.over)

    def process_exited(self) -> None:
        """The child has ended."""
        _done(self.exited)


class EngineProcess:
    """The child."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, report: IO[bytes]) -> None:
        self._transport, self._pipes, self._report = transport, pipes, report
        self._stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(_IN))

    @classmethod
    async def start(cls) -> "EngineProcess":
        """A child that is ready.

        Raises:
            Unavailable: it did not become ready.
        """
        report = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            transport, pipes = await asyncio.get_running_loop().subprocess_exec(
                _Pipes,
                *(sys.executable, "-P", "-m", "dragoman.adapters.rooms.worker", str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=report,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            report.close()
            raise
        child = cls(transport, pipes, report)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child._ready()
        except BaseException as error:
            words = await asyncio.to_thread(child._last_words)
            await child.stop()
            if isinstance(error, TimeoutError | ConnectionError):
                log.warning("voice.not_started", report=words)
                raise Unavailable(
                    "The process for conversations did not start.", code="voice_unavailable"
                ) from error
            raise
        log.info("voice.started", process=child.pid)
        return child

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._transport.get_returncode() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._transport.get_pid()

    async def _ready(self) -> None:
        pipes = self._pipes
        await asyncio.wait({pipes.ready, pipes.over}, return_when=asyncio.FIRST_COMPLETED)
        if not pipes.ready.done():
            raise ConnectionError("the process has ended")

    async def messages(self, handle: Callable[[Frame], None]) -> None:
        """Hands every message over until it has ended."""
        self._pipes.handle = handle
        await asyncio.shield(self._pipes.over)

    def send(self, call: int, kind: Kind, body: bytes) -> None:
        """Sends a message, which is lost when it has ended."""
        if self.alive and not self._stdin.is_closing():
            self._stdin.write(packed(call, kind, body))

    def _last_words(self) -> str:
        if self._report.closed:
            return ""
        size = self._report.seek(0, os.SEEK_END)
        self._report.seek(max(0, size - _REPORT_BYTES))
        return self._report.read().decode("utf-8", "replace").strip()

    async def stop(self) -> None:
        """Ends it, if it has not ended."""
        if not self.alive and not self._report.closed:
            words = await asyncio.to_thread(self._last_words)
            log.warning("voice.process_ended", code=self._transport.get_returncode(), report=words)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await asyncio.shield(self._pipes.exited)
        self._transport.close()
        self._report.close()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
