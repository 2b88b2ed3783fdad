"""What one run has on this side: a folder of its own, and its workspace put into the program's hands."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import CancelScope, to_thread

from dragoman.adapters.sandboxes.gate import Gate
from dragoman.domain.sandbox.ports import ShellCommand
from dragoman.domain.sandbox.walk import hand_over, remove_tree, usage
from dragoman.kit.ids import uuid7

_USERS = "root:x:0:0:root:/root:/usr/sbin/nologin\nuser:x:1000:1000:user:/home/workspace:/bin/sh\n"
_GROUPS = "root:x:0:\nuser:x:1000:\n"
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run: ``commands``, ``etc``, ``tmp`` and an empty ``workspace`` to put one over."""

    path: Path
    workspace: Path
    has_commands: bool

    @property
    def commands(self) -> Path:
        """Scripts and calls of the shell's commands."""
        return self.path / "commands"

    def used_bytes(self) -> int:
        """What the program has written to disk. Blocks."""
        return usage(self.workspace) + usage(self.commands / "calls") + usage(self.path / "tmp")


def sweep(base: Path, before: float) -> None:
    """Removes what runs left behind when their server was killed before that time. Blocks."""
    for path in (*base.glob("*"), *base.glob(".trash/*")):
        with suppress(FileNotFoundError):
            if path.name != ".trash" and path.lstat().st_mtime < before:
                remove_tree(path)


class RunFolders:
    """Makes folders for runs.

    Args:
        base: where they are made.
        owner: the user id that programs run as, None when it is the server's own.
    """

    def __init__(self, base: Path, owner: int | None) -> None:
        self._base = base
        self._owner = owner

    @asynccontextmanager
    async def open(
        self, workspace: Path, commands: Mapping[str, ShellCommand], inside: Callable[[RunFolder], str]
    ) -> AsyncGenerator[RunFolder]:
        """A folder that goes when the block ends. ``inside`` says where the program sees ``commands``."""
        folder = RunFolder(self._base / uuid7(), workspace, bool(commands))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_discard, folder.path)
            await to_thread.run_sync(self._prepare, folder)
            if commands:
                gate = Gate(folder.commands, inside(folder), commands)
                await to_thread.run_sync(gate.prepare, self._owner)
                await stack.enter_async_context(gate.open())
            yield folder

    def _prepare(self, folder: RunFolder) -> None:
        self._base.mkdir(parents=True, exist_ok=True)
        for name in (".", "workspace", "commands", "etc", "tmp"):
            part = folder.path / name
            part.mkdir(exist_ok=True)
            part.chmod(0o755)
        for name, text in (("passwd", _USERS), ("group", _GROUPS), ("hosts", _HOSTS)):
            file = folder.path / "etc" / name
            file.write_text(text)
            file.chmod(0o644)
        hand_over(folder.path / "tmp", self._owner)
        hand_over(folder.workspace, self._owner)


async def _discard(path: Path) -> None:
    with CancelScope(shield=True):
        await to_thread.run_sync(remove_tree, path)
