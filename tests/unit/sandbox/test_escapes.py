"""Nothing that runs in a sandbox gets out of it.

Every attempt is harmless where it succeeds: it is aimed at files, servers and processes that the test has made.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dragoman.adapters.sandboxes.probing import Probed
from dragoman.domain.sandbox.ports import Limits, Outcome
from dragoman.domain.sandbox.walk import usage
from sandbox_backends import NAMES, REAL, USER

Run = Callable[..., Awaitable[Outcome]]
SECRET = "the-server-keeps-this-to-itself"
LIMITS = Limits(
    wall_seconds=10,
    cpu_seconds=5,
    memory_bytes=256 << 20,
    processes=24,
    file_bytes=4 << 20,
    workspace_bytes=16 << 20,
)


@dataclass(slots=True)
class Outside:
    """What must stay as it is. ``twin`` is a process of the user that programs run as."""

    folder: Path
    port: int
    socket: Path
    victim: asyncio.subprocess.Process
    twin: asyncio.subprocess.Process
    reached: list[str] = field(default_factory=list)

    @property
    def secret(self) -> Path:
        return self.folder / "secret"


@pytest.fixture
async def outside(base: Path) -> AsyncGenerator[Outside]:
    """A secret file, servers on a port and on a socket, and a process, all of the server's own."""
    folder = base / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o644)
    reached: list[str] = []

    def on_port(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append("port")
        writer.close()

    def on_socket(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append("socket")
        writer.close()

    tcp = await asyncio.start_server(on_port, "127.0.0.1", 0)
    path = folder / "socket"
    local = await asyncio.start_unix_server(on_socket, path)
    path.chmod(0o777)
    victim = await asyncio.create_subprocess_exec(
        "sleep", "60", env={"SECRET": SECRET, "PATH": "/usr/bin:/bin"}
    )
    twin = await asyncio.create_subprocess_exec("sleep", "60", user=USER if os.geteuid() == 0 else None)
    yield Outside(folder, tcp.sockets[0].getsockname()[1], path, victim, twin, reached)
    tcp.close()
    local.close()
    for process in (victim, twin):
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


# Each tries one way out. What it prints must not hold the secret; marks it leaves outside are looked for.
ATTEMPTS = {
    "a file by its path": "cat {secret}",
    "a file by going up": "cat ../../../../../../../../..{secret}",
    "a file over the root of process 1": "cat /proc/1/root{secret}",
    "a file over the working folder of others": "cat /proc/*/cwd/outside/secret",
    "a file over descriptors of others": "cd /proc; for f in [0-9]*/fd/*; do readlink $f | grep outside && cat $f; done",
    "a file over a link": "ln -s {secret} link; cat link",
    "a file over a relative link": "ln -s ../outside/secret link; cat link; ln -s .. up; cat up/outside/secret",
    "a file over a link in a folder": "mkdir d; ln -s {folder} d/l; cat d/l/secret; ls d/l",
    "a file over a hard link": "ln {secret} hard; cat hard",
    "a file by copying": "cp {secret} copy; cat copy; tar cf t.tar {folder}; cat t.tar",
    "a file by reading it in": "read line < {secret}; echo $line; . {secret}",
    "a file by globbing": "cat /tmp/sandbox-*/outside/* {folder}/*",
    "the environment of process 1": "cat /proc/1/environ",
    "the environment of all": "cat /proc/*/environ /proc/*/task/*/environ",
    "the memory of others": "for p in /proc/[0-9]*; do head -c 4096 $p/mem; done",
    "command lines of others": "cat /proc/{victim}/environ; tr '\\0' ' ' < /proc/{victim}/cmdline | grep sleep && echo {token}",
    "a mark outside": "echo x > {folder}/written",
    "a mark over a link": "ln -s {folder}/written l; echo x > l; ln -sfn {folder} k; echo x > k/written",
    "a mark by moving": "echo x > f; mv f {folder}/written",
    "the system's folders": "for d in / /usr /usr/bin /etc /sys; do test -w $d && ! test -e /{mark} && echo {token}; done",
    "a mark by changing modes": "chmod 0777 {secret}; chmod -R 0777 {folder} && mv {secret} {folder}/written",
    "removal": "rm -rf {folder} {secret}; rm -rf ../outside",
    "a port of the server": "(exec 3<>/dev/tcp/127.0.0.1/{port}) || curl -s http://127.0.0.1:{port}/",
    "a port over its other names": "for h in localhost 0.0.0.0 ::1 127.1; do (exec 3<>/dev/tcp/$h/{port}); done",
    "a datagram": "echo x > /dev/udp/127.0.0.1/{port}; echo x > /dev/udp/localhost/{port}",
    "killing a process": "kill -9 {victim}",
    "stopping a process": "kill -STOP {victim}",
    "killing the server": "kill -0 {server} && echo {token}",
    "killing one of its own user": "kill -9 {twin}; kill -STOP {twin}",
    "seeing processes": "cat /proc/{victim}/stat && echo {token}",
    "mounting": "mkdir m; mount -t tmpfs none m && echo {token} && umount m",
    "mounting over a name": "mkdir n; mount --bind {folder} n && cat n/secret && umount n",
    "new namespaces": "unshare -Ur sh -c 'echo {token}'; unshare -r -m sh -c 'echo {token}'",
    "other namespaces": "nsenter -t 1 -m cat {secret}; nsenter -t 1 -n true && echo {token}",
    "another root": "chroot / sh -c 'echo {token}'",
    "devices": "ls -l /dev | grep ^b && echo {token}; mknod d b 254 0 && echo {token}; mknod c c 1 1 && echo {token}",
    "disks": "for d in /dev/vd* /dev/sd* /dev/nvme* /dev/mem /dev/kmsg /dev/kvm; do head -c 16 $d && echo {token}; done",
    "setuid programs": "timeout 1 su -c 'echo {token}' </dev/null; sudo -n echo {token}; newgrp root -c 'echo {token}'",
    "a setuid file": "cp /bin/sh s; chmod 4755 s; ./s -p -c 'test $(id -u) = 0 && echo {token}'",
    "settings of the kernel": "for f in sys/kernel/core_pattern sysrq-trigger; do : >> /proc/$f && echo {token}; done",
    "control groups": "mkdir /sys/fs/cgroup/{mark} && echo {token} && rmdir /sys/fs/cgroup/{mark}",
    "being spared": "echo -1000 > /proc/self/oom_score_adj && echo {token}",
    "higher limits": "ulimit -n 100000 && echo {token}; ulimit -u 100000 && echo {token}; ulimit -f unlimited && echo {token}",
    "higher priority": "nice -n -5 true; renice -n -10 -p $$ && echo {token}; renice -n 19 -p {victim} && echo {token}",
    "a lock on the server": "flock -n {secret} echo {token}",
    "the log of the kernel": "dmesg && echo {token}",
}


# In a simulated system these work, and mean nothing.
PRETENDED = {"setuid programs", "higher limits", "the system's folders"}


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_no_way_leads_out_of_a_shell(backend: Probed, run: Run, outside: Outside) -> None:
    mark = f"mark{os.getpid()}"
    facts = {
        "secret": outside.secret,
        "folder": outside.folder,
        "port": outside.port,
        "victim": outside.victim.pid,
        "twin": outside.twin.pid,
        "server": os.getpid(),
        "token": "TO''KEN",
        "mark": mark,
    }
    found: dict[str, str] = {}
    for way, text in ATTEMPTS.items():
        if backend.name == "simulated" and way in PRETENDED:
            continue
        outcome = await run(text.format(**facts))
        if reason := _escape(outcome, outside, mark):
            found[way] = reason
    assert found == {}


def _escape(outcome: Outcome, outside: Outside, mark: str) -> str | None:
    """What got out, None when nothing did."""
    if SECRET in outcome.output or "TOKEN" in outcome.output:
        return outcome.output
    if outside.secret.read_text() != SECRET or outside.secret.stat().st_mode & 0o777 != 0o644:
        return "the file is another"
    if (outside.folder / "written").exists():
        return "there is a new file"
    if outside.reached:
        return f"reached {outside.reached}"
    same = all(_state_of(process.pid) == "S" for process in (outside.victim, outside.twin))
    return None if same else "a process is not as it was"


def _state_of(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


# The same by system calls that no command offers.
CALLS = {
    "a port": "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('TO' + 'KEN')",
    "a socket of the server": "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{socket}'); print('TO' + 'KEN')",
    "sockets of odd families": (
        "import socket\nfor family in (16, 17, 38, 40):\n"
        "  try: socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW); print('TO' + 'KEN')\n"
        "  except OSError: pass"
    ),
    "tracing": "import ctypes; l = ctypes.CDLL(None); print('TO' + 'KEN') if l.ptrace(16, {victim}, 0, 0) == 0 else 0",
    "being traced": "import ctypes; l = ctypes.CDLL(None); print('TO' + 'KEN') if l.ptrace(0, 0, 0, 0) == 0 else 0",
    "reading memory": (
        "import ctypes; l = ctypes.CDLL(None); b = ctypes.create_string_buffer(64)\n"
        "v = (ctypes.c_void_p * 2)(ctypes.addressof(b), 64)\n"
        "print('TO' + 'KEN') if l.process_vm_readv({victim}, v, 1, v, 1, 0) >= 0 else 0"
    ),
    "keys, rings, clocks, programs in the kernel": (
        # With arguments that no call takes: only a call that is refused at the door says so.
        "import ctypes; l = ctypes.CDLL(None, use_errno=True)\n"
        "for n in (250, 248, 321, 298, 323, 425, 319, 29, 304, 155, 246, 227, 164, 170, 165, 175, 313, 103, 428, 432):\n"
        "  l.syscall(n, -1, -1, -1, -1, -1)\n"
        "  if ctypes.get_errno() not in (1, 13, 38): print('TO' + 'KEN', n, ctypes.get_errno())"
    ),
    "namespaces by clone": (
        "import ctypes, os; l = ctypes.CDLL(None)\n"
        "for f in (0x10000000, 0x20000, 0x40000000):\n"
        "  p = l.syscall(56, f | 17, 0, 0, 0, 0)\n"
        "  if p == 0: os._exit(0)\n"
        "  if p > 0: print('TO' + 'KEN')\n"
        "for f in (0x10000000, 0x20000, 0x40000000):\n"
        "  if l.unshare(f) == 0: print('TO' + 'KEN')"
    ),
    "a signal through a descriptor": (
        "import os, signal\nfd = os.pidfd_open({victim})\nsignal.pidfd_send_signal(fd, 9)\nprint('TO' + 'KEN')"
    ),
    "limits of others": "import resource; resource.prlimit({victim}, resource.RLIMIT_NOFILE, (1, 1)); print('TO' + 'KEN')",
    "where others run": "import os; os.sched_setaffinity({victim}, {{0}}); print('TO' + 'KEN')",
    "another user": "import os; os.setresuid(0, 0, 0); print('TO' + 'KEN' if open('/etc/shadow').read() else '')",
    "the terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); print('TO' + 'KEN')",
    "descriptors left open": (
        "import os\nfor fd in range(3, 256):\n"
        "  try: name = os.readlink(f'/proc/self/fd/{{fd}}')\n"
        "  except OSError: continue\n"
        "  if '{folder}' in name or name.endswith('.db'): print('TO' + 'KEN', name)"
    ),
}


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_no_system_call_leads_out(run: Run, outside: Outside) -> None:
    facts = {
        "port": outside.port,
        "socket": outside.socket,
        "victim": outside.twin.pid,
        "folder": outside.folder,
    }
    found: dict[str, str] = {}
    for way, text in CALLS.items():
        outcome = await run(f"cat > p.py <<'END'\n{text.format(**facts)}\nEND\npython3 p.py; echo ran")
        if not outcome.output.rstrip().endswith("ran"):
            found[way] = f"did not run: {outcome.output}"
        elif reason := _escape(outcome, outside, "-"):
            found[way] = reason
    assert found == {}


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_endless_output_is_cut_and_stopped(run: Run) -> None:
    limits = replace(LIMITS, output_bytes=10_000)

    outcome = await run(
        "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", limits
    )

    assert outcome.cut
    assert len(outcome.output) < 10_200
    assert outcome.exit_code != 0


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_a_flood_of_output_is_stopped_early(run: Run) -> None:
    outcome = await run("yes", replace(LIMITS, output_bytes=10_000))

    assert outcome.ending == "output"
    assert len(outcome.output) == 10_000


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_an_endless_program_ends_at_its_time(run: Run) -> None:
    outcome = await run("echo begun; sleep 60", replace(LIMITS, wall_seconds=2))

    assert outcome.ending == "time"
    assert outcome.output.startswith("begun")


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_a_busy_program_ends_at_its_processor_time(run: Run) -> None:
    outcome = await run(
        "sh -c 'while :; do :; done'; echo $?", replace(LIMITS, cpu_seconds=1, wall_seconds=60)
    )

    assert "137" in outcome.output or "152" in outcome.output


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_fork_bomb_is_bounded_and_leaves_nothing(run: Run) -> None:
    await run(
        "bomb() { [ $1 -gt 11 ] || { bomb $(($1 + 1)) | bomb $(($1 + 1)) & }; }; bomb 0; sleep 60",
        replace(LIMITS, wall_seconds=1),
    )

    await _all_gone()


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_no_more_processes_start_than_allowed(run: Run) -> None:
    outcome = await run(
        "sh -c 'i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; echo all'",
        replace(LIMITS, processes=16),
    )

    assert "all" not in outcome.output.split()


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_processes_that_hide_are_gone_with_the_program(run: Run) -> None:
    await run("setsid sh -c 'trap \"\" TERM HUP INT; sleep 50' & (setsid nohup sleep 51 &) ; echo ok")

    await _all_gone()


async def _all_gone() -> None:
    """Returns when no process of the sandbox's user is left, which is a matter of milliseconds."""
    async with asyncio.timeout(5):
        while left := _processes_of_the_sandbox():
            assert len(left) < 100
            await asyncio.sleep(0.01)


def _processes_of_the_sandbox() -> list[str]:
    found: list[str] = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"\nUid:\t{USER}\t" in text and "\nState:\tZ" not in text:
            found.append(text.splitlines()[0])
    return found


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_one_process_gets_no_more_memory_than_allowed(run: Run) -> None:
    outcome = await run("python3 -c 'b = bytearray(1 << 30); print(len(b))'")

    assert str(1 << 30) not in outcome.output


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_many_processes_get_no_more_memory_together(run: Run) -> None:
    hold = "python3 -c 'import time; b = bytearray(100 << 20); time.sleep(20)'"

    outcome = await run(
        f"for i in 1 2 3 4 5 6; do {hold} & done; wait; echo all", replace(LIMITS, wall_seconds=15)
    )

    assert outcome.ending == "memory"


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_files_in_memory_are_bounded(run: Run) -> None:
    outcome = await run(
        "i=0; while [ $i -lt 40 ]; do head -c 4000000 /dev/zero > /dev/shm/f$i || exit 3;"
        " head -c 4000000 /dev/zero > /tmp/f$i || exit 3; i=$((i+1)); done; echo all"
    )

    assert "all" not in outcome.output.split()


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_no_file_grows_beyond_its_bound(run: Run, workspace: Path) -> None:
    await run("head -c 8000000 /dev/zero > big; head -c 100 /dev/zero >> big; ls -l big")

    assert (workspace / "big").stat().st_size <= LIMITS.file_bytes


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_workspace_does_not_grow_beyond_its_bound(run: Run, workspace: Path) -> None:
    text = "i=0; while [ $i -lt 100000 ]; do head -c 1000000 /dev/zero > f$i; sleep 0.02; i=$((i+1)); done"

    outcome = await run(text, replace(LIMITS, workspace_bytes=8 << 20))

    assert outcome.ending == "workspace"
    assert usage(workspace) < 64 << 20


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_hiding_files_gives_no_room(run: Run, workspace: Path) -> None:
    text = (
        "i=0; while [ $i -lt 250 ]; do mkdir d; cd d; i=$((i+1)); done;"
        " while :; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); sleep 0.02; done"
    )

    outcome = await run(text, replace(LIMITS, workspace_bytes=8 << 20))

    assert outcome.ending == "workspace"


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_cancelled_program_leaves_nothing(run: Run) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await run("sleep 60 & sleep 61")

    await _all_gone()
