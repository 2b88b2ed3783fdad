"""An owned pool of child processes for work that is heavy or handles hostile input.

A child costs nothing until the first call, is used again, and never outlives its parent. It is killed with
its whole group when a call takes too long or is cancelled; a crash is an error of that one call.
"""

import asyncio
import contextlib
import enum
import io
import os
import pickle
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any, TypeAlias, TypeVar, cast

import structlog

from dragoman.kit.child import HEADER
from dragoman.kit.errors import DeadlineExceeded, DragomanError, Unavailable
from dragoman.kit.offline import VARIABLE
from dragoman.kit.tasks import TaskOwner

R = TypeVar("R")
# What the parent says to a question of the child's; both are plain values.
Answer: TypeAlias = Callable[[Any], Awaitable[object]]
# True and the result, False and the error with its traceback, None and a question; and whether the child is worn.
_Told: TypeAlias = tuple[bool | None, Any, bool]

log = structlog.get_logger(__name__)

_REPLY_BYTES = 512 << 20
_REPORT_BYTES = 2000
# Nothing else of the parent's environment reaches a child: provider keys and database addresses live there.
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", VARIABLE,
)  # fmt: skip
_PLAIN_CLASSES = {
    "builtins": {"set", "frozenset", "complex", "bytearray", "range", "slice"},
    "datetime": {"datetime", "date", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "pathlib": {"Path", "PosixPath", "PurePosixPath"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
}


class ChildCrashed(Unavailable):
    """The child process ended in the middle of the call: a crash, or its memory bound."""

    code = "child_crashed"


class ChildKilled(ChildCrashed):
    """The child process was killed by something else than this program: an operator, or a machine short of memory."""


class ChildTimeout(DeadlineExceeded):
    """The call did not end in its time; its process has been killed."""

    code = "child_timeout"


class ChildPool:
    """Runs module-level functions in at most ``size`` child processes.

    Args:
        size: the most calls that run at the same time; more wait for their turn.
        memory_mb: bound on a child's private memory; None = unbounded.
        idle_seconds: a child without work for so long is let go.
        name: for the log.
        env: added to the few variables a child gets.
        max_calls: a child is replaced after so many calls, so that what its libraries leak is given back.
        start_seconds: how much longer a call may take for which a child has to be started first.
    """

    def __init__(
        self,
        *,
        size: int,
        memory_mb: int | None,
        idle_seconds: float,
        name: str,
        env: Mapping[str, str] | None = None,
        max_calls: int = 500,
        start_seconds: float = 0.0,
    ) -> None:
        self._slots = asyncio.Semaphore(size)
        self._memory_mb = memory_mb or 0
        self._idle_seconds = idle_seconds
        self._name = name
        self._env = dict(env or {})
        self._max_calls = max_calls
        self._start_seconds = start_seconds
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        self._kept = TaskOwner()
        self._closed = False

    @property
    def children(self) -> int:
        """How many processes there are now."""
        return sum(child.alive for child in self._children)

    async def call(
        self,
        fn: Callable[..., R],
        *args: Any,
        timeout_seconds: float,
        answer: Answer | None = None,
        again: bool = False,
        keep: bool = False,
    ) -> R:
        """What ``fn(*args)`` returns in a child; its exceptions come with the child's traceback as a note.

        ``fn`` is importable by name; arguments and result are pickled, the result is made of plain values,
        dataclasses, enums and arrays. The time counts from when a process is free; one that
        has to start gets the time for that on top. Cancelling kills it.
        ``answer`` answers what ``fn`` asks by ``kit.child.ask``, within the same time.
        ``again``: one whose process is killed from outside is made once more; for work that may be done twice.
        ``keep``: cancelled, short work comes to its end unheard, so that its process and all it has loaded is kept.

        Raises:
            ChildTimeout: the time is over.
            ChildCrashed: the process ended, or its answer could not be read.
        """
        message = pickle.dumps((fn, args, timeout_seconds), protocol=5)
        try:
            reply = await self._replied(message, timeout_seconds, answer, keep=keep)
        except ChildKilled:
            if not again or self._closed:
                raise
            reply = await self._replied(message, timeout_seconds, answer, keep=keep)
        return cast("R", _result(reply))

    async def _replied(
        self, message: bytes, timeout_seconds: float, answer: Answer | None, *, keep: bool
    ) -> _Told:
        if not keep:
            async with self._slots:
                return await self._answered(message, timeout_seconds, answer)
        await self._slots.acquire()
        work = self._kept.start(self._outcome(message, timeout_seconds, answer), name=self._name)
        work.add_done_callback(lambda _: self._slots.release())
        outcome = await asyncio.shield(work)
        if isinstance(outcome, DragomanError):
            raise outcome
        return outcome

    async def _outcome(
        self, message: bytes, timeout_seconds: float, answer: Answer | None
    ) -> _Told | DragomanError:
        """The reply, or why there is none: whoever asked may have gone, and then nobody has to be told."""
        try:
            return await self._answered(message, timeout_seconds, answer)
        except DragomanError as error:
            return error
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return ChildCrashed(f"The {self._name} processes are shut down.")

    async def _answered(self, message: bytes, timeout_seconds: float, answer: Answer | None) -> _Told:
        if self._closed:
            raise Unavailable(f"The {self._name} processes are shut down.")
        child: _Child | None = None
        try:
            async with asyncio.timeout(timeout_seconds + self._start_seconds) as bound:
                child = await self._take()
                if child.calls:
                    bound.reschedule(asyncio.get_running_loop().time() + timeout_seconds)
                reply = _read_reply(await child.exchange(message))
                while reply[0] is None:
                    if answer is None:
                        raise ChildCrashed("The work asked something that nobody answers.")
                    answered = pickle.dumps(await answer(reply[1]), protocol=5)
                    reply = _read_reply(await child.exchange(answered))
        except TimeoutError:
            await self._discard(child)
            raise ChildTimeout(
                f"The work was stopped: it took longer than {timeout_seconds:g} seconds."
            ) from None
        except BaseException:
            await self._discard(child)
            raise
        await self._give_back(child, worn=reply[2])
        return reply

    async def close(self) -> None:
        """Kills the children; calls in flight end as crashed, later ones are refused."""
        self._closed = True
        await asyncio.gather(*(self._discard(child) for child in list(self._children)))
        await self._kept.close()

    async def _take(self) -> "_Child":
        for dead in [child for child in self._children if not child.alive]:
            await self._discard(dead)
        if self._idle:
            child = self._idle.pop()
            child.unwatch()
            return child
        child = await self._start()
        self._children.add(child)
        return child

    async def _start(self) -> "_Child":
        report = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "dragoman.kit.child", str(os.getpid()), str(self._memory_mb)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=report,
                env=environment | self._env,
                start_new_session=True,
            )
        except BaseException:
            report.close()
            raise
        return _Child(process, report)

    async def _give_back(self, child: "_Child", *, worn: bool) -> None:
        child.calls += 1
        if self._closed or worn or child.calls >= self._max_calls or not child.alive:
            await self._discard(child)
        else:
            self._idle.append(child)
            child.watch(self._idle_seconds, self._retire)

    def _retire(self, child: "_Child") -> None:
        """Lets an idle child go; what is left of it is cleared away by the next call or ``close``."""
        self._idle.remove(child)
        child.kill()

    async def _discard(self, child: "_Child | None") -> None:
        if child is None:
            return
        if child in self._idle:
            self._idle.remove(child)
        child.kill()
        # Until it is reaped it stays known: whoever waits here may be cancelled, and ``close`` waits then.
        await child.ended()
        self._children.discard(child)


class _Child:
    """One process with its pipes."""

    def __init__(self, process: Process, report: IO[bytes]) -> None:
        self._process = process
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self._killed = False
        self.calls = 0

    @property
    def alive(self) -> bool:
        stdout = self._process.stdout
        ended = self._killed or self._process.returncode is not None
        return not ended and stdout is not None and not stdout.at_eof()

    async def exchange(self, message: bytes) -> bytes:
        """Sends a call and waits for its answer."""
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        try:
            writer.write(HEADER.pack(len(message)))
            writer.write(message)
            await writer.drain()
            (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
            if length > _REPLY_BYTES:
                raise ChildCrashed(f"The work gave more than {_REPLY_BYTES >> 20} MB.")
            return await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._crash() from error

    async def _crash(self) -> ChildCrashed:
        self.kill()
        code = await self._process.wait()
        report = await asyncio.to_thread(self._last_words)
        log.warning("child.crashed", code=code, report=report)
        kind = ChildKilled if code == -signal.SIGKILL else ChildCrashed
        return kind(f"The process that did the work ended unexpectedly ({_ending(code)}).")

    def _last_words(self) -> str:
        if self._report.closed:
            return ""
        size = self._report.seek(0, os.SEEK_END)
        self._report.seek(max(0, size - _REPORT_BYTES))
        return self._report.read().decode("utf-8", "replace").strip()

    def watch(self, seconds: float, retire: "Callable[[_Child], None]") -> None:
        """Arranges for ``retire`` unless there is work before."""
        self._timer = asyncio.get_running_loop().call_later(seconds, retire, self)

    def unwatch(self) -> None:
        """There is work."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def kill(self) -> None:
        """Ends the process and all it started, at once."""
        self.unwatch()
        self._killed = True
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def ended(self) -> None:
        """Returns when the process is gone and reaped."""
        await self._process.wait()
        self._report.close()


def _ending(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


class _Reply(pickle.Unpickler):
    """Reads only values: a child that a hostile file has taken over cannot make its parent run code."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name not in sys.modules:
            raise pickle.UnpicklingError(f"{module_name} is not loaded here")
        if global_name in _PLAIN_CLASSES.get(module_name, ()):
            return super().find_class(module_name, global_name)
        found: object = getattr(sys.modules[module_name], global_name, None)
        if isinstance(found, type) and _is_value(found):
            return found
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not a plain value")


def _is_value(kind: type[Any]) -> bool:
    return issubclass(kind, (BaseException, enum.Enum)) or hasattr(kind, "__dataclass_fields__")


def _read_reply(reply: bytes) -> _Told:
    """What the child says."""
    try:
        kind, value, worn = _Reply(io.BytesIO(reply)).load()
    except Exception as unreadable:
        raise ChildCrashed("The answer of the process that did the work could not be read.") from unreadable
    return kind, value, bool(worn)


def _result(reply: _Told) -> object:
    answered, value, _ = reply
    if answered:
        return value
    error, trace = value
    if isinstance(error, MemoryError):
        raise ChildCrashed("The work needed more memory than it is allowed.")
    if isinstance(error, Exception):
        error.add_note(f"In the child process:\n{trace}")
        raise error
    raise ChildCrashed(f"The work failed: {trace.strip().splitlines()[-1]}")
