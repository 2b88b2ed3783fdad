"""The journal on a real disk, and on one that is full, slow or stuck."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs
from usage_samples import ANNA, record

from dragoman.domain.messages.events import Usage
from dragoman.domain.usage import journal as journal_module
from dragoman.domain.usage.journal import Journal, JournalLimits
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms

QUICK = JournalLimits(sync_seconds=0.02, stall_seconds=0.02)


def lines(folder: Path) -> list[dict[str, object]]:
    """The whole lines of all segments that are JSON."""
    found: list[dict[str, object]] = []
    for segment in sorted(folder.glob("*.jsonl")):
        for line in segment.read_bytes().split(b"\n")[:-1]:
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue
    return found


def ids(folder: Path) -> list[object]:
    return [line["id"] for line in lines(folder)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def journal(tmp_path: Path) -> Generator[Journal]:
    made = Journal(tmp_path / "journal", QUICK)
    yield made
    made.close()


def test_a_record_is_in_the_file_when_append_returns(journal: Journal) -> None:
    given = record()
    journal.append(given)
    assert ids(journal.folder) == [given.id]


def test_the_folder_keeps_others_out(journal: Journal) -> None:
    assert journal.segment.stat().st_mode & 0o077 == 0


def test_a_killed_process_loses_no_record_it_said_was_written(tmp_path: Path) -> None:
    program = """
import sys
sys.path[:0] = [sys.argv[2]]
from pathlib import Path
from usage_samples import record
from dragoman.domain.usage.journal import Journal
journal = Journal(Path(sys.argv[1]))
while True:
    given = record()
    journal.append(given)
    sys.stdout.write(given.id + "\\n")
    sys.stdout.flush()
"""
    folder = tmp_path / "journal"
    child = subprocess.Popen(
        [sys.executable, "-c", program, folder, Path(__file__).parent], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline().strip() for _ in range(500)]
    child.kill()
    said += [line for line in child.stdout.read().split("\n") if len(line) == 36]
    child.wait(5)
    child.stdout.close()
    assert set(said) <= set(ids(folder))


def test_a_new_segment_begins_when_one_is_large_enough(tmp_path: Path) -> None:
    made = Journal(tmp_path, JournalLimits(sync_seconds=0.01, segment_bytes=1000))
    first = made.segment
    given = [record() for _ in range(10)]
    for each in given[:5]:
        made.append(each)
    until(lambda: made.segment != first)
    for each in given[5:]:
        made.append(each)
    assert ids(tmp_path) == [each.id for each in given]
    assert made.owns(first)
    made.close()


def test_a_full_disk_delays_records_and_is_reported_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    given = [record() for _ in range(20)]
    with capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "write", full)
        for each in given:
            journal.append(each)
        until(lambda: journal.stalled)
    until(lambda: not journal.stalled)
    assert ids(journal.folder) == [each.id for each in given]
    assert [log["event"] for log in logs] == ["usage.journal_stalled"]


def test_a_line_torn_by_a_full_disk_is_written_again_behind_the_torn_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def half(fd: int, data: bytes) -> int:
        monkeypatch.setattr(journal_module.os, "write", write)
        return write(fd, data[: len(data) // 2])

    given = [record() for _ in range(3)]
    journal.append(given[0])
    monkeypatch.setattr(journal_module.os, "write", half)
    journal.append(given[1])
    until(lambda: not journal.stalled)
    journal.append(given[2])
    assert ids(journal.folder) == [each.id for each in given]


def test_a_disk_that_hangs_does_not_hold_up_answers(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, release = threading.Event(), threading.Event()
    sync = os.fdatasync

    def hangs(fd: int) -> None:
        hanging.set()
        release.wait(5)
        sync(fd)

    monkeypatch.setattr(journal_module.os, "fdatasync", hangs)
    given = [record() for _ in range(50)]
    journal.append(given[0])
    assert hanging.wait(5)
    time.sleep(QUICK.stall_seconds * 2)
    monkeypatch.setattr(journal_module.os, "write", lambda fd, data: release.wait(5) and len(data))
    started = time.monotonic()
    for each in given[1:]:
        journal.append(each)
    assert time.monotonic() - started < 1
    assert journal.stalled
    monkeypatch.undo()
    release.set()
    until(lambda: not journal.stalled)
    assert ids(journal.folder) == [each.id for each in given]


def test_what_does_not_fit_the_queue_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Journal(tmp_path, JournalLimits(sync_seconds=0.01, queued_lines=3))

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "write", full)
        for _ in range(5):
            made.append(record())
    assert made.dropped_lines == 2
    made.close()
    assert len(ids(tmp_path)) == 3


def test_closing_writes_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Journal(tmp_path, JournalLimits(sync_seconds=10))
    given = record()
    with monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "write", lambda fd, data: 0)
        made.append(given)
    made.close()
    assert ids(tmp_path) == [given.id]


def test_the_meter_bounds_what_others_send(journal: Journal) -> None:
    context = UsageContext(
        caller=ANNA,
        dialect="openai",
        kind="chat",
        started_at=now_ms() + 60_000,
        application="a" * 500,
        end_user="x\0\ud800y",
    )
    usage = Usage(prompt_tokens=2**40, completion_tokens=-5)
    Meter(journal, price=lambda model, used: 9).record(context, model="m" * 500, usage=usage, status=200)
    (line,) = lines(journal.folder)
    assert (line["application"], line["model"], line["end_user"]) == ("a" * 100, "m" * 200, "x?y")
    assert (line["prompt_tokens"], line["completion_tokens"]) == (2**31 - 1, 0)
    assert (line["duration_ms"], line["cost_micro_usd"]) == (0, 9)


def test_a_record_takes_the_requests_id_when_it_is_given(journal: Journal) -> None:
    context = UsageContext(caller=ANNA, dialect="openai", kind="chat", started_at=0, request_id="r" * 36)
    Meter(journal).record(context, model="m", usage=Usage(1, 2), status=200)
    assert ids(journal.folder) == ["r" * 36]
