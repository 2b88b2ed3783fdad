"""The network of a sandbox: its own empty one, in which a port leads to the server's filtering proxy."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from dragoman.adapters.sandboxes.confinement import system_python
from dragoman.adapters.sandboxes.proxy import LIMIT, FilteringProxy
from dragoman.kit.tasks import TaskOwner

INSIDE = "/run/network"
_PORT = 3128
_FORWARD = """import os, socket, sys, threading
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
if os.fork():
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(null, fd)


def copy(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(near):
    with near, socket.socket(socket.AF_UNIX) as far:
        try:
            far.connect(sys.argv[2])
        except OSError:
            return
        thread = threading.Thread(target=copy, args=(near, far), daemon=True)
        thread.start()
        copy(far, near)


while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""


class AllowedNetwork:
    """Gives programs a way to named hosts.

    Args:
        proxy: decides what is reached.
        owner: the user that programs run as, None when it is the server's own.
    """

    def __init__(self, proxy: FilteringProxy, owner: int | None) -> None:
        self._proxy = proxy
        self._owner = owner

    @property
    def is_possible(self) -> bool:
        """Whether what forwards inside can run on this system."""
        return system_python() is not None

    def environment(self) -> dict[str, str]:
        """What tells programs of the proxy."""
        address = f"http://127.0.0.1:{_PORT}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        return dict.fromkeys(names, address)

    def started(self, words: list[str]) -> list[str]:
        """The words that start the forwarding and then the program."""
        script = f'{system_python()} -I -S {INSIDE}/forward.py {_PORT} {INSIDE}/proxy && exec "$@"'
        return ["/bin/sh", "-c", script, "network", *words]

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[None]:
        """Serves while the block runs. ``folder`` is laid at ``/run/network`` inside."""
        listening = await to_thread.run_sync(self._prepare, folder)
        tasks = TaskOwner()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.start(self._proxy.serve(reader, writer), name="sandbox.network")

        server = await asyncio.start_unix_server(connected, sock=listening, limit=LIMIT)
        try:
            yield
        finally:
            server.close()
            await tasks.close()

    def _prepare(self, folder: Path) -> socket.socket:
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "forward.py").write_text(_FORWARD)
        (folder / "forward.py").chmod(0o644)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A socket's path is short; that of a descriptor always is.
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            listening.bind(f"/proc/self/fd/{place}/proxy")
        finally:
            os.close(place)
        if self._owner is not None:
            os.chown(folder / "proxy", self._owner, self._owner)
        (folder / "proxy").chmod(0o600)
        listening.listen(64)
        listening.setblocking(False)
        return listening
