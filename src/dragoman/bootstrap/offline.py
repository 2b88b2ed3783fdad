"""What ``offline`` puts in force, and how that is shown."""

import asyncio
import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop
from anyio import to_thread
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from dragoman.bootstrap.metrics import Metrics
from dragoman.kit.addresses import is_loopback_name, parse_address
from dragoman.kit.egress import EgressPolicy, parse_url
from dragoman.kit.errors import Unavailable
from dragoman.kit.offline import Attempt, append, attempted, attempts, put_up
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_PROBED = "192.0.2.1"  # kept for documentation; nobody has it
_PROBE_SECONDS = 30
_REMEMBERED = 200
_PROBE = (
    "import json, socket\n"
    "from dragoman.kit.offline import put_up\n"
    "put_up([], None)\n"
    "def refused(attempt):\n"
    "    try:\n"
    "        attempt()\n"
    "    except PermissionError:\n"
    "        return True\n"
    "    except OSError:\n"
    "        pass\n"
    "    return False\n"
    "probe = socket.socket()\n"
    "probe.settimeout(0.2)\n"
    "datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "print(json.dumps({\n"
    f"    'connect': refused(lambda: probe.connect(('{_PROBED}', 9))),\n"
    f"    'datagram': refused(lambda: datagram.sendto(b'', ('{_PROBED}', 9))),\n"
    "    'look-up': refused(lambda: socket.getaddrinfo('probe.invalid', 9)),\n"
    "}))\n"
)
_CLOUDS = {
    "gs": "storage.googleapis.com",
    "az": "blob.core.windows.net",
    "azure": "blob.core.windows.net",
    "adl": "dfs.core.windows.net",
    "abfs": "dfs.core.windows.net",
    "abfss": "dfs.core.windows.net",
}


@dataclass(frozen=True, slots=True)
class Native:
    """An address that native code connects to by itself; ``inside``: it is this machine's or let through."""

    setting: str
    host: str
    inside: bool


def record_file(settings: Settings) -> Path:
    """The file that attempts are written to."""
    return settings.data_dir / "offline-attempts.jsonl"


def natives(settings: Settings) -> list[Native]:
    """The addresses in the settings that the interpreter's hook does not see being called."""
    policy = EgressPolicy.parse(settings.egress.allow, offline=True).for_operator()
    hosts: list[tuple[str, str]] = []
    if settings.database_url is not None:
        hosts += [("database.url", host) for host in _database_hosts(settings.database_url)]
    if settings.blobs.url is not None:
        hosts += [("blobs", host) for host in _store_hosts(settings)]
    if settings.voice.livekit_url is not None:
        address = str(settings.voice.livekit_url).replace("ws", "http", 1)
        hosts.append(("voice.livekit_url", parse_url(address).host))
    return [Native(setting, host, _inside(policy, host)) for setting, host in hosts]


def _database_hosts(url: str) -> list[str]:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Unavailable("database.url cannot be read.") from error
    given = parsed.query.get("host", ())
    named = [given] if isinstance(given, str) else list(given)
    return [host for host in (parsed.host or "", *named) if host and not host.startswith("/")]


def _store_hosts(settings: Settings) -> list[str]:
    blobs = settings.blobs
    if blobs.endpoint is not None:
        return [parse_url(str(blobs.endpoint)).host]
    scheme = (blobs.url or "").partition("://")[0]
    if scheme in ("s3", "s3a"):
        return [f"s3.{blobs.region}.amazonaws.com"]
    return [_CLOUDS[scheme]] if scheme in _CLOUDS else []


def _inside(policy: EgressPolicy, host: str) -> bool:
    address = parse_address(host)
    if address is not None:
        return policy.permits(address)
    return is_loopback_name(host) or policy.allow.has_name(host)


def keep_offline(settings: Settings) -> None:
    """Puts the guard up for this process and its children when the settings say ``offline``.

    Raises:
        Unavailable: native code would be told to call an address outside.
    """
    if not settings.offline:
        return
    outside = [native for native in natives(settings) if not native.inside]
    if outside:
        named = ", ".join(f"{native.host} ({native.setting})" for native in outside)
        raise Unavailable(
            f"This server is to work offline, but its settings lead elsewhere: {named}. Let them through in egress.allow,"
            " or use ones on this machine.",
            code="not_offline",
        )
    put_up(settings.egress.allow, record_file(settings))


def loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop to run in: offline the interpreter's own, whose sockets the guard sees."""
    return asyncio.new_event_loop if settings.offline else uvloop.new_event_loop


class Denials:
    """Notes what the guard on callers' addresses refuses; offline, in the record of attempts, too.

    ``latest`` are the last refusals of this process.
    """

    def __init__(self, settings: Settings, tasks: TaskOwner, metrics: Metrics) -> None:
        self._record = record_file(settings) if settings.offline else None
        self._tasks = tasks
        self._metrics = metrics
        self.latest: deque[Attempt] = deque(maxlen=_REMEMBERED)

    def note(self, host: str) -> None:
        """Takes one refused host."""
        self._metrics.refused()
        log.info("egress.refused", host=host)
        attempt = attempted("refused", "guard", host, None)
        self.latest.append(attempt)
        if self._record is not None:
            self._tasks.start(to_thread.run_sync(append, self._record, attempt), name="egress.record")


@dataclass(frozen=True, slots=True)
class OfflineReport:
    """What is in force and what was attempted.

    ``probes`` says of each way out whether a process with the guard was refused it.
    """

    offline: bool
    allow: list[str]
    natives: list[Native]
    probes: dict[str, bool]
    attempts: list[Attempt]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the promise."""
        return self.offline and all(self.probes.values()) and all(native.inside for native in self.natives)


def offline_report(settings: Settings) -> OfflineReport:
    """Tries the guard in a process of its own and reads the record."""
    return OfflineReport(
        settings.offline,
        list(settings.egress.allow),
        natives(settings),
        _probe(),
        attempts(record_file(settings)),
    )


def _probe() -> dict[str, bool]:
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE],
        capture_output=True,
        text=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    if ran.returncode != 0:
        raise Unavailable(f"The guard could not be tried: {ran.stderr.strip()[-200:]}")
    return dict(json.loads(ran.stdout))
