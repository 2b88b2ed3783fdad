"""Offline is shown, not said: a tour in a network that counts what leaves it."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.e2e.offline_tour import MAKE_DEVICE, OUTSIDE
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]


@cache
def no_network_of_its_own() -> str | None:
    """Why a network namespace with a device cannot be made here."""
    command = ["unshare", "-rn", "sh", "-c", MAKE_DEVICE]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"unshare cannot be run: {error}"
    return None if ran.returncode == 0 else f"no network namespace with a device: {ran.stderr.strip()}"


def test_a_tour_offline_sends_no_packet(tmp_path: Path) -> None:
    if reason := no_network_of_its_own():
        pytest.skip(reason)
    ran = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "tests.e2e.offline_tour", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["sent"] == 0, told
    # The counter counts: one packet sent past the guard is seen.
    assert told["sent_by_a_knock"] == 1
    assert told["found"]
    assert told["answered"] == 200
    assert all(status >= 400 for status in told["outside"]), told
    report = told["report"]
    assert report["holds"]
    refused = {attempt["host"] for attempt in report["attempts"] if attempt["verdict"] == "refused"}
    assert {OUTSIDE, "models.example.org"} <= refused, report


def test_settings_that_lead_native_code_outside_are_refused_at_the_start(tmp_path: Path) -> None:
    settings = {"DRAGOMAN_DATABASE__URL": "postgresql://somebody:secret@192.0.2.9/dragoman"}
    ran = Server(tmp_path / "data", settings).command("serve", "--offline", check=False)
    assert ran.returncode == 1
    assert "192.0.2.9 (database.url)" in ran.stderr
    assert "secret" not in ran.stderr


def test_doctor_says_when_the_promise_does_not_hold(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"DRAGOMAN_OFFLINE": "false"})
    ran = server.command("doctor", "--offline", "--json", check=False)
    report = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert report["offline"] is False
    assert report["probes"] == {"connect": True, "datagram": True, "look-up": True}
