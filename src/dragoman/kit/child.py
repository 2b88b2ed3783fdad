"""The inside of a child process of ``kit.processes``: answers its parent's calls in turn, within limits.

Kept apart from the parent's side so that a child starts without asyncio.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from dragoman.kit.offline import put_up_as_told

HEADER = struct.Struct(">Q")
_MB = 1 << 20
# Mapped libraries, weights and reserves of allocators count as address space but are not memory.
_MAPPED_MB = 4096
_FILE_MB = 1024
_OPEN_FILES = 512
_NICE = 5
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


class _Channel:
    """The pipes to the parent. Questions are put one after the other, from whichever thread."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self.requests = requests
        self._replies = replies
        self._turn = threading.Lock()

    def send(self, message: bytes) -> None:
        self._replies.write(HEADER.pack(len(message)))
        self._replies.write(message)
        self._replies.flush()

    def ask(self, question: object) -> object:
        with self._turn:
            self.send(pickle.dumps((None, question, False), protocol=5))
            answer = _receive(self.requests)
        if answer is None:
            raise EOFError("the parent has gone")
        return pickle.loads(answer)  # noqa: S301 - written by our parent


_channels: list[_Channel] = []
_worn: list[bool] = []


def wear_out() -> None:
    """Has the parent put a fresh process in this one's place after the present call."""
    _worn.append(True)


def ask(question: object) -> object:
    """What the parent answers; for functions called through ``ChildPool.call`` with ``answer``. Made of plain values."""
    return _channels[0].ask(question)


def main(arguments: list[str]) -> None:
    """Answers calls until the parent goes. Arguments: the parent's process id, memory in MB or 0."""
    parent, memory_mb = int(arguments[0]), int(arguments[1])
    _tie_to(parent)
    _limit(memory_mb)
    put_up_as_told()
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the replies.
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    channel = _Channel(requests, replies)
    _channels.append(channel)
    while (message := _receive(requests)) is not None:
        channel.send(_answer(message))


def _tie_to(parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The parent may have ended before the line above.
    if os.getppid() != parent:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _limit(memory_mb: int) -> None:
    if memory_mb:
        _lower(resource.RLIMIT_DATA, memory_mb * _MB)
        _lower(resource.RLIMIT_AS, (memory_mb + _MAPPED_MB) * _MB)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _FILE_MB * _MB)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    os.nice(_NICE)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (ceiling, ceiling))


def _limit_cpu(seconds: float) -> None:
    """Backs up the parent's clock: a call may use every core for its whole time, and no more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1) + 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(allowed) if hard == resource.RLIM_INFINITY else min(int(allowed), hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _receive(requests: BinaryIO) -> bytes | None:
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    message = requests.read(length)
    return message if len(message) == length else None


def _answer(message: bytes) -> bytes:
    try:
        call = cast("tuple[Callable[..., Any], tuple[Any, ...], float]", pickle.loads(message))  # noqa: S301 - written by our parent
        function, arguments, seconds = call
        _limit_cpu(seconds)
        value = function(*arguments)
        return pickle.dumps((True, value, bool(_worn)), protocol=5)
    except BaseException as error:  # noqa: BLE001 - every failure is the caller's, in the parent process
        return _failure(error)


def _failure(error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    error.__traceback__ = None
    with contextlib.suppress(Exception):
        reply = pickle.dumps((False, (error, trace), bool(_worn)), protocol=5)
        pickle.loads(reply)  # noqa: S301 - our own bytes; some exceptions pickle but cannot be made again
        return reply
    return pickle.dumps((False, (None, trace), bool(_worn)), protocol=5)


if __name__ == "__main__":
    # Under its own name, so that what functions import is this very module.
    sys.modules["dragoman.kit.child"] = sys.modules["__main__"]
    main(sys.argv[1:])
