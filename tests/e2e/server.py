"""A real server process for tests: started on a free port over its own data folder, ended by pid."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx

EMAIL = "ana@example.org"
API_KEY = "sk-" + "T3st" * 15 + "k"
_START_SECONDS = 180.0


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **extra: str) -> dict[str, str]:
    """The process's environment without any Dragoman settings but these."""
    # Without compiled modules every start compiles the whole program anew, which takes longer than all else in it.
    left_out = ("DRAGOMAN_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {
        **kept,
        "DRAGOMAN_DATA_DIR": str(data),
        "DRAGOMAN_BOOTSTRAP__EMAIL": EMAIL,
        "DRAGOMAN_BOOTSTRAP__API_KEY": API_KEY,
        "DRAGOMAN_LOG__LEVEL": "warning",
        **extra,
    }


class Server:
    """``dragoman serve`` in a process of its own; a context manager that ends it."""

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, str] | None = None,
        config: str = "",
        words: Sequence[str] = ("serve",),
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self.data = data
        self._words = words
        self.port = free_port()
        self._trusted = trusted
        self.base = f"{'http' if trusted is None else 'https'}://127.0.0.1:{self.port}"
        port = "DRAGOMAN_MACHINES__WORK_PORT" if words[0] == "work" else "DRAGOMAN_SERVER__PORT"
        self._settings = {port: str(self.port), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        data.mkdir(parents=True, exist_ok=True)
        if config:
            (data / "dragoman.toml").write_text(config, encoding="utf-8")
        self.log = data.parent / f"{data.name}.log"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Starts and waits until it is ready; gives the seconds this took."""
        began = time.monotonic()
        log = self.log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dragoman", *self._words],
            env=environment(self.data, **self._settings),
            cwd=self.data,
            stdout=log,
            stderr=log,
        )
        log.close()
        while time.monotonic() - began < _START_SECONDS:
            if self._process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self._process.returncode}: {self.log.read_text()}"
                )
            try:
                ready = httpx.get(f"{self.base}/health/ready", trust_env=False, verify=self._trusted or True)
                if ready.status_code == 200:
                    return time.monotonic() - began
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the server was not ready in time: {self.log.read_text()}")

    def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)

    def stop(self) -> int:
        """Ends the process in order; gives its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        return int(self._process.returncode)

    def client(self, key: str = API_KEY) -> httpx.Client:
        """An HTTP client with a key."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=60, trust_env=False)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs the command line over the same data folder."""
        result = subprocess.run(
            [sys.executable, "-m", "dragoman", *arguments],
            env=environment(self.data, **self._settings),
            cwd=self.data,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
