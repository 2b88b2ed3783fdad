"""The parent's side of the local model's process."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from dragoman.kit.errors import Unavailable
from dragoman.kit.offline import VARIABLE

log = structlog.get_logger(__name__)

_START_SECONDS = 300.0
_STOP_SECONDS = 3.0
_MOMENT_SECONDS = 0.3
_REPORT_BYTES = 2000
_SLOTS = 2
# Nothing else of the parent's environment reaches the child: provider keys live there.
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES",
    VARIABLE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the child is to run. ``threads`` None = all cores but one."""

    model_path: Path
    context_tokens: int
    threads: int | None
    gpu_layers: int

    def as_json(self, key: str) -> bytes:
        """The line the child reads."""
        threads = self.threads or max(1, len(os.sched_getaffinity(0)) - 1)
        facts = {
            "model": str(self.model_path),
            "key": key,
            "context_tokens": self.context_tokens,
            "threads": threads,
            "slots": _SLOTS,
            "gpu_layers": self.gpu_layers,
        }
        return orjson.dumps(facts) + b"\n"


class Child:
    """A running child that serves at ``address`` to who knows ``key``."""

    def __init__(self, process: Process, report: IO[bytes], key: str) -> None:
        self._process = process
        self._report = report
        self._stopping = False
        self.key = key
        self.address = ""

    @classmethod
    async def start(cls, settings: ChildSettings) -> "Child":
        """A child that has loaded its model.

        Raises:
            Unavailable: it could not; the message says what to do.
        """
        key = secrets.token_urlsafe(32)
        report = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        environment["OMP_WAIT_POLICY"] = "passive"
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "dragoman.adapters.models.local_server", str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=report,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            report.close()
            raise
        child = cls(process, report, key)
        try:
            child.address = await child._loaded(settings)
        except BaseException:
            await child.stop()
            raise
        log.info("local_model.started", process=process.pid, model=settings.model_path.name)
        return child

    @property
    def alive(self) -> bool:
        """Whether the process runs and has not been told to end."""
        return self._process.returncode is None and not self._stopping

    @property
    def process_id(self) -> int:
        """The process id."""
        return self._process.pid

    async def _loaded(self, settings: ChildSettings) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                # The key goes through the pipe: a command line can be read by every user of the machine.
                self._process.stdin.write(settings.as_json(self.key))
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise Unavailable(f"The local model was not loaded within {_START_SECONDS:g} seconds.") from error
        except ConnectionError:
            line = b""
        if not line:
            code = await self._process.wait()
            report = await asyncio.to_thread(self._last_words)
            log.warning("local_model.crashed", code=code, report=report)
            raise Unavailable(
                f"The local model's process ended while loading {settings.model_path.name} "
                f"({_ending(code)}): the file may be damaged or too large for this machine's memory.",
                code="local_model_failed",
            )
        reply: dict[str, Any] = orjson.loads(line)
        if "error" in reply:
            report = await asyncio.to_thread(self._last_words)
            log.warning("local_model.not_loaded", reason=reply["detail"], report=report)
            raise _unavailable(reply["error"], reply["detail"], settings.model_path)
        return str(reply["address"])

    def _last_words(self) -> str:
        size = self._report.seek(0, os.SEEK_END)
        self._report.seek(max(0, size - _REPORT_BYTES))
        return self._report.read().decode("utf-8", "replace").strip()

    async def seen_to_end(self) -> None:
        """Returns when the process has ended, or after a moment if it has not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT_SECONDS):
                await self._process.wait()

    async def stop(self) -> None:
        """Ends the process and gives its memory back: politely, then by force. May be called again when cancelled."""
        self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS if self.address else 0):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._report.close()


def _unavailable(kind: str, detail: str, path: Path) -> Unavailable:
    match kind:
        case "missing_package":
            sentence = "The local model needs the Python package xllamacpp: install dragoman[local]."
        case "missing_library":
            sentence = (
                "The local model's engine needs a system library: install libgomp1 (Debian) or libgomp "
                f"({detail})."
            )
        case _:
            sentence = (
                f"The local model could not load {path}: the file is not a GGUF model that this engine can "
                f"run, or the machine's memory is too small ({detail[:300]})."
            )
    return Unavailable(sentence, code="local_model_failed")


def _ending(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
