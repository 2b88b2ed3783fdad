"""The pool of child processes: bounds, crashes, cancellation, and that nobody is left behind."""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildKilled, ChildPool, ChildTimeout
from dragoman.kit.tasks import TaskOwner


def pool(
    *, size: int = 1, memory_mb: int | None = 512, idle_seconds: float = 30, max_calls: int = 500
) -> ChildPool:
    env = {"DRAGOMAN_TEST_MARK": "set"}
    return ChildPool(
        size=size,
        memory_mb=memory_mb,
        idle_seconds=idle_seconds,
        name="test",
        env=env,
        max_calls=max_calls,
        start_seconds=60,
    )


async def until(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a process' end sets no event
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@dataclass(frozen=True)
class Point:
    x: int


@dataclass(frozen=True)
class Forger:
    """Pickles to a call of ``os.system``."""

    command: str

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def shifted(point: Point, by: int) -> Point:
    return Point(point.x + by)


def refuse(sentence: str) -> None:
    raise InvalidInput(sentence, param="file")


def noisy() -> str:
    sys.stdout.write("this must not reach the pipe\n")
    os.write(1, b"nor this")
    return "clean"


def limits() -> dict[str, tuple[int, int]]:
    return {
        name: resource.getrlimit(getattr(resource, name))
        for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_CPU")
    }


def spawn_grandchild() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid


def spawn_and_wait(path: str) -> None:
    Path(path).write_text(str(spawn_grandchild()))
    time.sleep(60)


def environment() -> dict[str, str]:
    return dict(os.environ)


async def test_a_call_returns_values_dataclasses_and_arrays() -> None:
    children = pool()
    assert await children.call(shifted, Point(1), 2, timeout_seconds=10) == Point(3)
    doubled = await children.call(np.multiply, np.arange(5, dtype=np.float32), 2, timeout_seconds=10)
    assert doubled.dtype == np.float32
    assert doubled.tolist() == [0, 2, 4, 6, 8]
    await children.close()


async def test_no_child_exists_before_the_first_call_and_the_same_one_serves_the_next() -> None:
    children = pool()
    assert children.children == 0
    first = await children.call(os.getpid, timeout_seconds=10)
    assert await children.call(os.getpid, timeout_seconds=10) == first
    assert children.children == 1
    await children.close()


async def test_an_exception_of_the_function_reaches_the_caller_with_its_trace() -> None:
    children = pool()
    with pytest.raises(InvalidInput, match="no good") as caught:
        await children.call(refuse, "no good", timeout_seconds=10)
    assert caught.value.param == "file"
    assert "in refuse" in caught.value.__notes__[0]
    await children.close()


async def test_a_crash_is_an_error_of_its_call_and_the_next_call_works() -> None:
    children = pool()
    with pytest.raises(ChildCrashed, match="SIGSEGV"):
        await children.call(ctypes.string_at, 0, timeout_seconds=10)
    with pytest.raises(ChildCrashed, match="exit code 3"):
        await children.call(os._exit, 3, timeout_seconds=10)
    assert await children.call(len, "abc", timeout_seconds=10) == 3
    await children.close()


async def test_more_memory_than_allowed_is_an_error_and_the_next_call_works() -> None:
    children = pool(memory_mb=256)
    with pytest.raises(ChildCrashed, match="memory"):
        await children.call(bytearray, 1 << 30, timeout_seconds=10)
    assert await children.call(len, "abc", timeout_seconds=10) == 3
    await children.close()


async def test_a_call_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    children = pool()
    note = tmp_path / "pid"
    await children.call(len, "started", timeout_seconds=10)
    with pytest.raises(ChildTimeout):
        await children.call(spawn_and_wait, str(note), timeout_seconds=10)
    grandchild = int(note.read_text())
    await until(lambda: not alive(grandchild))
    assert children.children == 0
    await children.close()


async def test_a_child_that_has_to_start_first_gets_the_time_for_that_once() -> None:
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="late", start_seconds=60)
    try:
        assert await pool.call(abs, -2, timeout_seconds=0.001) == 2
        with pytest.raises(ChildTimeout):
            await pool.call(time.sleep, 60, timeout_seconds=0.05)
    finally:
        await pool.close()


async def test_cancelling_a_call_kills_its_process() -> None:
    children = pool()
    pid = await children.call(os.getpid, timeout_seconds=10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await children.call(time.sleep, 60, timeout_seconds=60)
    await until(lambda: not alive(pid))
    assert await children.call(len, "abc", timeout_seconds=10) == 3
    await children.close()


async def test_a_caller_that_is_cancelled_twice_leaves_no_child_behind_a_closed_pool() -> None:
    children = pool()
    pid = await children.call(os.getpid, timeout_seconds=10)
    callers = TaskOwner()
    caller = callers.start(children.call(time.sleep, 60, timeout_seconds=60), name="caller")
    await asyncio.sleep(0)
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    await children.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_an_idle_child_is_let_go_and_a_later_call_starts_another() -> None:
    children = pool(idle_seconds=0.05)
    pid = await children.call(os.getpid, timeout_seconds=10)
    await until(lambda: not alive(pid))
    assert children.children == 0
    assert await children.call(os.getpid, timeout_seconds=10) != pid
    await children.close()


async def test_a_child_killed_while_idle_does_not_spoil_the_next_call() -> None:
    children = pool()
    pid = await children.call(os.getpid, timeout_seconds=10)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: children.children == 0)
    assert await children.call(len, "abc", timeout_seconds=10) == 3
    await children.close()


def killed_once(mark: str) -> str:
    """As if somebody had killed the process the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


async def test_work_that_may_be_done_twice_is_done_again_where_its_child_was_killed(tmp_path: Path) -> None:
    children = pool()
    with pytest.raises(ChildKilled, match="SIGKILL"):
        await children.call(killed_once, str(tmp_path / "a"), timeout_seconds=10)
    assert await children.call(killed_once, str(tmp_path / "b"), timeout_seconds=10, again=True) == "done"
    await children.close()


def begun_and_slow(mark: str) -> None:
    Path(mark).touch()
    time.sleep(0.3)


async def test_short_work_that_nobody_waits_for_any_more_keeps_its_process_and_its_place(
    tmp_path: Path,
) -> None:
    children, tasks = pool(), TaskOwner()
    pid = await children.call(os.getpid, timeout_seconds=10)
    mark = tmp_path / "begun"
    waiting = tasks.start(
        children.call(begun_and_slow, str(mark), timeout_seconds=10, keep=True), name="waiting"
    )
    await until(mark.exists)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await children.call(os.getpid, timeout_seconds=10, keep=True) == pid
    with pytest.raises(ValueError, match="sleep length"):
        await children.call(time.sleep, -1, timeout_seconds=10, keep=True)
    with pytest.raises(ChildTimeout):
        await children.call(time.sleep, 60, timeout_seconds=0.1, keep=True)
    await children.close()


async def test_closing_ends_work_that_was_to_be_kept() -> None:
    children, tasks = pool(), TaskOwner()
    waiting = tasks.start(children.call(time.sleep, 60, timeout_seconds=90, keep=True), name="waiting")
    await until(lambda: children.children == 1)
    await children.close()
    with pytest.raises(ChildCrashed):
        await waiting
    assert children.children == 0


async def test_work_that_crashes_by_itself_is_not_done_again(tmp_path: Path) -> None:
    children = pool()
    with pytest.raises(ChildCrashed) as raised:
        await children.call(os.abort, timeout_seconds=10, again=True)
    assert not isinstance(raised.value, ChildKilled)
    await children.close()


async def test_a_child_is_replaced_after_its_share_of_calls() -> None:
    children = pool(max_calls=2)
    pids = [await children.call(os.getpid, timeout_seconds=10) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await children.close()


async def test_no_more_children_than_asked_for_run_at_once() -> None:
    children = pool(size=2)
    await asyncio.gather(*(children.call(time.sleep, 0.05, timeout_seconds=10) for _ in range(5)))
    assert children.children == 2
    await children.close()
    assert children.children == 0


async def test_a_closed_pool_refuses_calls() -> None:
    children = pool()
    await children.close()
    with pytest.raises(Unavailable):
        await children.call(len, "abc", timeout_seconds=10)


async def test_what_the_function_prints_does_not_disturb_the_answer() -> None:
    children = pool()
    assert await children.call(noisy, timeout_seconds=10) == "clean"
    assert await children.call(noisy, timeout_seconds=10) == "clean"
    await children.close()


async def test_a_child_sees_no_secret_of_the_parents_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PROVIDER_KEY", "secret")
    children = pool()
    seen = await children.call(environment, timeout_seconds=10)
    assert "DRAGOMAN_PROVIDER_KEY" not in seen
    assert seen["DRAGOMAN_TEST_MARK"] == "set"
    await children.close()


async def test_a_child_has_limits_on_cores_files_and_cpu_time() -> None:
    children = pool()
    found = await children.call(limits, timeout_seconds=10)
    assert found["RLIMIT_CORE"] == (0, 0)
    assert 0 < found["RLIMIT_FSIZE"][0] < 1 << 40
    assert 10 < found["RLIMIT_CPU"][0] < 10_000
    await children.close()


async def test_an_answer_that_would_run_code_in_the_parent_is_refused(tmp_path: Path) -> None:
    children = pool()
    mark = tmp_path / "ran"
    with pytest.raises(ChildCrashed, match="could not be read"):
        await children.call(Forger, f"touch {mark}", timeout_seconds=10)
    assert not mark.exists()
    await children.close()


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = textwrap.dedent(
        """
        import asyncio, os, sys
        from pathlib import Path
        from dragoman.kit.processes import ChildPool

        async def main():
            children = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="test", env=None)
            Path(sys.argv[1]).write_text(str(await children.call(os.getpid, timeout_seconds=10)))
            os.kill(os.getpid(), 9)

        asyncio.run(main())
        """
    )
    ended = subprocess.run([sys.executable, "-c", program, str(note)], check=False, timeout=20)
    assert ended.returncode == -signal.SIGKILL
    child = int(note.read_text())
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)
