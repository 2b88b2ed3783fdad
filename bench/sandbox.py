"""How fast programs and scripts start, and how a server answers while hostile programs run.

usage: bench/sandbox.py [RUNS]
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from dragoman.adapters.isolates.v8 import V8Isolate
from dragoman.adapters.sandboxes.bubblewrap import BubblewrapSandbox
from dragoman.adapters.sandboxes.landlock import LandlockSandbox
from dragoman.adapters.sandboxes.nsjail import NsjailSandbox
from dragoman.adapters.sandboxes.probing import Probed
from dragoman.adapters.sandboxes.simulated import SimulatedSandbox
from dragoman.domain.sandbox.ports import Limits, Program, WebRequest
from dragoman.kit.processes import ChildPool

BOMBS = {
    "fork bomb": "bomb() { [ $1 -gt 11 ] || { bomb $(($1 + 1)) | bomb $(($1 + 1)) & }; }; bomb 0; sleep 5",
    "busy loops": "for i in $(seq 40); do (while :; do :; done) & done; sleep 5",
    "endless output": "yes",
    "memory": "for i in 1 2 3 4 5 6 7 8; do python3 -c 'b = bytearray(400 << 20)' & done; wait",
    "small files": "i=0; while :; do echo x > f$i; i=$((i+1)); done",
}
WORKER = "export default { async fetch(request, env) { return Response.json({ got: (await request.json()).n, env }) } }"


async def times(call: Callable[[], Awaitable[object]], runs: int, pause: float = 0.0) -> str:
    found: list[float] = []
    for _ in range(runs + 1):
        await asyncio.sleep(pause)
        began = time.perf_counter()
        await call()
        found.append((time.perf_counter() - began) * 1000)
    rest = sorted(found[1:])
    return f"p50 {statistics.median(rest):6.1f} ms   max {rest[-1]:6.1f} ms   first {found[0]:6.1f} ms"


async def lag(seconds: float) -> float:
    """The 99th percentile of how late this event loop is, in milliseconds, while something else goes on."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT[0])
        writer.write(b"x\n")
        await reader.readline()
        writer.close()
        found.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    return sorted(found)[int(len(found) * 0.99)]


PORT = [0]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def main(runs: int) -> None:
    async with AsyncExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.chmod(base, 0o755)
        owner = 65533 if os.geteuid() == 0 else None
        shells = ChildPool(size=2, memory_mb=512, idle_seconds=60, name="shell")
        scripts = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="script")
        stack.push_async_callback(shells.close)
        stack.push_async_callback(scripts.close)
        backends: list[Probed] = [
            BubblewrapSandbox(base / "runs", owner),
            NsjailSandbox(base / "runs", owner),
            LandlockSandbox(base / "runs", owner),
            SimulatedSandbox(shells, base),
        ]
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        PORT[0] = server.sockets[0].getsockname()[1]
        usable = [one for one in backends if one.missing() is None]
        for one in usable:
            workspace = base / one.name
            workspace.mkdir()

            async def start(one: Probed = one, workspace: Path = workspace) -> object:
                return await one.run(Program("true"), workspace, limits=Limits(), commands={})

            print(f"{one.name:12} start            {await times(start, runs)}")
        isolate = V8Isolate(scripts, memory_bytes=128 << 20)
        request = WebRequest("https://worker/", "POST", {}, b'{"n": 1}')
        print(
            "worker, warm                  "
            + await times(
                lambda: isolate.handle(WORKER, request, env={}, fetch=None, timeout_seconds=5),
                runs,
                pause=0.05,
            )
        )
        print(
            "evaluate_code, warm           "
            + await times(lambda: isolate.evaluate("6*7", timeout_seconds=5), runs, pause=0.05)
        )
        print(f"no program                     p99 {await lag(3):6.1f} ms to answer a connection")
        for one in usable:
            for name, text in BOMBS.items():
                limits = Limits(wall_seconds=4)
                async with asyncio.TaskGroup() as group:
                    group.create_task(one.run(Program(text), base / one.name, limits=limits, commands={}))
                    late = await lag(3)
                print(f"{one.name:12} {name:16}  p99 {late:6.1f} ms to answer a connection")
        server.close()


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
