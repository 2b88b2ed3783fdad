"""The interpreter's hook lets nothing out but what is let through, and writes down what it saw."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dragoman.kit.offline import VARIABLE, OfflineGuard, attempts


def connecting(guard: OfflineGuard, target: Any, family: int = socket.AF_INET) -> None:
    with socket.socket(family) as opened:
        guard("socket.connect", (opened, target))


def test_loopback_and_local_sockets_pass_unrecorded(tmp_path: Path) -> None:
    guard = OfflineGuard(record=tmp_path / "record")
    connecting(guard, ("127.0.0.1", 80))
    connecting(guard, ("localhost", 80))
    connecting(guard, ("::1", 80, 0, 0), socket.AF_INET6)
    connecting(guard, ("::ffff:127.0.0.1", 80, 0, 0), socket.AF_INET6)
    connecting(guard, "/run/some.socket", socket.AF_UNIX)
    guard("socket.getaddrinfo", ("localhost", 80, 0, 0, 0))
    guard("socket.getaddrinfo", (None, 80, 0, 0, 0))
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize("host", ["8.8.8.8", "10.0.0.1", "169.254.169.254", "example.org"])
def test_everything_else_is_refused_and_recorded_once_a_minute(host: str, tmp_path: Path) -> None:
    guard = OfflineGuard(record=tmp_path / "record")
    for _ in range(3):
        with pytest.raises(PermissionError, match=host.replace(".", r"\.")):
            connecting(guard, (host, 443))
    (seen,) = attempts(tmp_path / "record")
    assert (seen.verdict, seen.event, seen.host, seen.port) == ("refused", "connect", host, 443)
    assert seen.process == os.getpid()


def test_names_are_not_even_looked_up() -> None:
    with pytest.raises(PermissionError):
        OfflineGuard()("socket.getaddrinfo", ("example.org", 443, 0, 0, 0))
    with pytest.raises(PermissionError):
        OfflineGuard()("socket.gethostbyname", ("example.org",))


def test_addresses_in_disguise_and_mapped_ones_are_refused() -> None:
    for host in ("2130706433", "0x7f.1"):
        with pytest.raises(PermissionError):
            connecting(OfflineGuard(), (host, 80))
    with pytest.raises(PermissionError):
        connecting(OfflineGuard(), ("::ffff:8.8.8.8", 80, 0, 0), socket.AF_INET6)


def test_what_is_let_through_is_recorded_as_such(tmp_path: Path) -> None:
    guard = OfflineGuard(["10.1.0.0/16"], tmp_path / "record")
    connecting(guard, ("10.1.2.3", 5432))
    with pytest.raises(PermissionError):
        connecting(guard, ("10.2.0.1", 5432))
    assert [seen.verdict for seen in attempts(tmp_path / "record")] == ["let through", "refused"]


def test_the_addresses_of_a_name_that_is_let_through_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(host: str, port: object) -> list[Any]:
        assert host == "models.example.org"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    guard = OfflineGuard(["*.example.org"])
    with pytest.raises(PermissionError):
        connecting(guard, ("198.51.100.7", 443))
    guard("socket.getaddrinfo", ("models.example.org", 443, 0, 0, 0))
    connecting(guard, ("198.51.100.7", 443))


def test_other_events_cost_nothing_and_pass() -> None:
    OfflineGuard()("open", ("/etc/passwd", "r", 0))
    OfflineGuard()("socket.bind", (None, ("0.0.0.0", 80)))


def test_the_record_is_bounded(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("x" * (2 << 20))
    with pytest.raises(PermissionError):
        connecting(OfflineGuard(record=record), ("8.8.8.8", 53))
    assert record.stat().st_size < 1000
    assert [seen.host for seen in attempts(record)] == ["8.8.8.8"]


def test_a_child_process_is_guarded_as_its_parent_is(tmp_path: Path) -> None:
    code = (
        "from dragoman.kit.child import main\nimport os, socket, sys\n"
        "from dragoman.kit.offline import put_up_as_told\nput_up_as_told()\n"
        "socket.socket().connect(('192.0.2.1', 80))"
    )
    record = tmp_path / "record"
    told = json.dumps({"allow": [], "record": str(record)})
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, VARIABLE: told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert "PermissionError" in ran.stderr
    assert [seen.host for seen in attempts(record)] == ["192.0.2.1"]
