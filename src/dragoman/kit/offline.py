"""The promise to call nobody, kept by the interpreter itself: a hook on every socket that Python code opens.

The guard of ``kit.egress`` refuses what callers ask for before anything is opened. This hook stands beneath it and beneath every
library: what would leave the machine fails with ``PermissionError`` before the first packet, a look-up of a name included. Child
processes that run Python put up the same hook, told by one variable of their environment. What the hook sees is written down.

Native code that opens sockets by itself is out of its reach; the addresses that such code is given are checked at the start.
"""

import errno
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from dragoman.kit.addresses import Address, AllowList, is_loopback_name, parse_address

VARIABLE = "OFFLINE_GUARD"
_GUARDS = (__name__, "dragoman.kit.egress", "dragoman.bootstrap.offline")
_RECORD_BYTES = 1 << 20
_AGAIN_SECONDS = 60.0
_MOST_KNOWN = 1000
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_INTERNET = (socket.AF_INET, socket.AF_INET6)
# These reach the kernel or this machine's own programs only.
_LOCAL = frozenset(
    getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG") if hasattr(socket, name)
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call out of the machine: refused, or let through by the allow list. ``at`` in seconds since 1970."""

    at: float
    verdict: str
    event: str
    host: str
    port: int | None
    process: int
    program: str
    place: str


class OfflineGuard:
    """Judges the interpreter's audit events; an instance is the hook.

    Args:
        allow: host names, ``*.`` patterns, addresses and networks that may be called.
        record: file of attempts, one JSON object a line; kept under 2 MB together with ``record``.1.
    """

    def __init__(self, allow: Iterable[str] = (), record: Path | None = None) -> None:
        self._allow = AllowList.parse(allow)
        self._record = record
        self._resolved: set[Address] = set()
        self._told: dict[tuple[str, str, int | None], float] = {}
        self._lock = threading.Lock()
        self._inside = threading.local()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raises ``PermissionError`` for what would leave the machine."""
        if not event.startswith("socket.") or getattr(self._inside, "on", False):
            return
        if event in _SENDING:
            self._sending(event, arguments)
        elif event in _LOOK_UPS:
            self._looking_up(event, arguments)

    def _sending(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened, target = arguments[0], arguments[1]
        if target is None or opened.family in _LOCAL:
            return
        if opened.family not in _INTERNET or not isinstance(target, tuple):
            self._refuse(event, str(target), None)
        place = cast("tuple[Any, ...]", target)
        host, port = str(place[0]), int(place[1])
        address = _plain(host)
        if address is None:
            self._name(event, host, port)
        elif not (address.is_loopback or address.is_unspecified):
            allowed = self._allow.has_address(address) or address in self._resolved
            self._judge(event, host, port, allowed=allowed)

    def _looking_up(self, event: str, arguments: tuple[Any, ...]) -> None:
        host = arguments[0]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        # The own name is known from a file of the machine.
        if not host or host in ("0.0.0.0", "::", socket.gethostname()):  # noqa: S104  compared with, not bound
            return
        port = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else None
        address = _plain(str(host))
        if address is None:
            self._name(event, str(host), port)
        elif event == "socket.gethostbyaddr" and not address.is_loopback:
            self._judge(event, str(host), port, allowed=self._allow.has_address(address))

    def _name(self, event: str, host: str, port: int | None) -> None:
        if is_loopback_name(host):
            return
        named = self._allow.has_name(host)
        if named:
            self._resolve(host)
        # A name of an allowed network is only known for one once it was looked up.
        self._judge(event, host, port, allowed=named or bool(self._allow.networks and event in _LOOK_UPS))

    def _resolve(self, host: str) -> None:
        """Notes the addresses of a name that is let through; the connection will show only an address."""
        self._inside.on = True
        try:
            found = socket.getaddrinfo(host, None)
        except OSError:
            return
        finally:
            self._inside.on = False
        addresses = {_plain(str(entry[4][0])) for entry in found}
        with self._lock:
            self._resolved |= {address for address in addresses if address is not None}

    def _judge(self, event: str, host: str, port: int | None, *, allowed: bool) -> None:
        if not allowed:
            self._refuse(event, host, port)
        self._note("let through", event, host, port)

    def _refuse(self, event: str, host: str, port: int | None) -> None:
        self._note("refused", event, host, port)
        raise PermissionError(errno.EACCES, f"This server works offline, so {host!r} is not called")

    def _note(self, verdict: str, event: str, host: str, port: int | None) -> None:
        now = time.time()
        with self._lock:
            if self._told.get((event, host, port), 0.0) > now - _AGAIN_SECONDS:
                return
            if len(self._told) >= _MOST_KNOWN:
                self._told.clear()
            self._told[event, host, port] = now
        if self._record is not None:
            append(self._record, attempted(verdict, event.removeprefix("socket."), host, port))


def attempted(verdict: str, event: str, host: str, port: int | None) -> Attempt:
    """An attempt of this process, now, from where this is called."""
    program = " ".join(sys.orig_argv[1:4])[:120]
    return Attempt(time.time(), verdict, event, host, port, os.getpid(), program, _place())


def _plain(host: str) -> Address | None:
    address = parse_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _place() -> str:
    """The innermost module of Dragoman's that led to this, as ``module:line``."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    outside = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module not in _GUARDS:
            if module.startswith("dragoman."):
                return f"{module}:{frame.f_lineno}"
            outside = outside or f"{module}:{frame.f_lineno}"
        frame = frame.f_back
    return outside


def append(record: Path, attempt: Attempt) -> None:
    """Adds a line to the record; several processes may at the same time. A record that cannot be written stops no refusal."""
    line = (json.dumps(asdict(attempt)) + "\n").encode()
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        if record.exists() and record.stat().st_size > _RECORD_BYTES:
            record.replace(record.with_name(record.name + ".1"))
        file = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError as error:
        sys.stderr.write(f"dragoman: the record of attempts cannot be written: {error}\n")


def attempts(record: Path) -> list[Attempt]:
    """What was recorded, oldest first; lines that a crash broke off are left out.

    Raises:
        OSError: the record is there but cannot be read.
    """
    found: list[Attempt] = []
    for file in (record.with_name(record.name + ".1"), record):
        if not file.exists():
            continue
        for line in file.read_text("utf-8", "replace").splitlines():
            try:
                found.append(Attempt(**json.loads(line)))
            except (ValueError, TypeError):
                continue
    return found


def put_up(allow: Iterable[str], record: Path | None) -> None:
    """Guards this process for good, and every Python child that passes its environment on."""
    entries = [str(entry) for entry in allow]
    told = {"allow": entries, "record": str(record) if record else None}
    os.environ[VARIABLE] = json.dumps(told)
    sys.addaudithook(OfflineGuard(entries, record))


def put_up_as_told(environment: Mapping[str, str] = os.environ) -> None:
    """Guards a child process when its parent is guarded."""
    told = environment.get(VARIABLE)
    if told:
        read = json.loads(told)
        put_up(read["allow"], Path(read["record"]) if read["record"] else None)
