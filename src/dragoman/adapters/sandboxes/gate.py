"""Commands of a shell that the server carries out.

Inside, each command is a small script. It leaves its words and input in a folder of its own and says so through a pipe; the
answer is left beside them. This takes no socket and no interpreter but ``sh``, so it works in every sandbox. What is read here
was written by whoever is inside: names are checked, links are not followed, only plain files are read, and never much.
"""

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

import structlog
from anyio import to_thread

from dragoman.domain.sandbox.commands import Printed, is_command_name, run_command, stdin_property
from dragoman.domain.sandbox.ports import ShellCommand
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_CALL = re.compile(rb"call\.[A-Za-z0-9]{10}")
_MOST_CALLS = 1000
_AT_ONCE = 8
_WORDS_BYTES = 1 << 20
_INPUT_BYTES = 8 << 20
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_STUB = Template(
    """#!/bin/sh
PATH=/usr/bin:/bin
call=$$(mktemp -d '$folder/calls/call.XXXXXXXXXX') || exit 126
trap 'rm -rf "$$call"' EXIT
printf '%s\\0' '$name' "$$@" > "$$call/words"
$stdin
mkfifo "$$call/done" && exec 3<> "$$call/done" || exit 126
printf '%s\\n' "$${call##*/}" > '$folder/requests'
read -r code stream <&3
if [ "$$stream" = err ]; then cat "$$call/answer" >&2; else cat "$$call/answer"; fi
exit "$$code"
"""
)
_READ_STDIN = Template(
    """case " $$* " in
*" --$name "*|*" --$name="*|*" --help "*|*" -h "*) ;;
*) [ -t 0 ] || head -c $most > "$$call/input" ;;
esac"""
)


class Gate:
    """Answers the commands of one run.

    Args:
        folder: where the scripts and calls are, on this side.
        inside: the same folder as the program sees it.
    """

    def __init__(self, folder: Path, inside: str, commands: Mapping[str, ShellCommand]) -> None:
        self._folder = folder
        self._inside = inside
        self._commands = commands
        self._tasks = TaskOwner()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = bytearray()
        self._seen = 0

    def prepare(self, owner: int | None) -> None:
        """Makes the scripts, the folder of calls and the pipe. Blocks."""
        scripts, calls, requests = (self._folder / name for name in ("bin", "calls", "requests"))
        scripts.mkdir(parents=True)
        scripts.chmod(0o755)
        calls.mkdir(mode=0o700)
        os.mkfifo(requests, 0o600)
        if owner is not None:
            os.chown(calls, owner, owner)
            os.chown(requests, owner, owner)
        for name, command in self._commands.items():
            if not is_command_name(name):
                continue
            piped = stdin_property(command.spec)
            stdin = "" if piped is None else _READ_STDIN.substitute(name=piped, most=_INPUT_BYTES)
            script = scripts / name
            script.write_text(_STUB.substitute(folder=self._inside, name=name, stdin=stdin))
            script.chmod(0o755)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Answers while the block runs; at its end what is still being carried out is cancelled."""
        flags = os.O_RDWR | os.O_NONBLOCK | _NO_FOLLOW
        requests = await to_thread.run_sync(os.open, self._folder / "requests", flags)
        loop = asyncio.get_running_loop()
        loop.add_reader(requests, self._arrived, requests)
        try:
            yield
        finally:
            loop.remove_reader(requests)
            os.close(requests)
            await self._tasks.close()

    def _arrived(self, requests: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._waiting += os.read(requests, 4096)
        *lines, self._waiting = self._waiting.split(b"\n")
        for line in lines:
            self._seen += 1
            if self._seen > _MOST_CALLS:
                # Whoever asks more than this waits until its time is over.
                asyncio.get_running_loop().remove_reader(requests)
                return
            if _CALL.fullmatch(line):
                self._tasks.start(self._answer(line.decode()), name="sandbox.command")

    async def _answer(self, call: str) -> None:
        async with self._slots:
            try:
                words, stdin = await to_thread.run_sync(_read_call, self._folder / "calls", call)
                printed = await self._carry_out(words, stdin)
                await to_thread.run_sync(_write_answer, self._folder / "calls", call, printed)
            except OSError as error:
                # Whoever is inside has taken the call away or put something else in its place: its own loss.
                log.info("sandbox.command_lost", reason=error.strerror)

    async def _carry_out(self, words: list[str], stdin: str | None) -> Printed:
        command = self._commands.get(words[0]) if words else None
        if command is None:
            return Printed("No such command.\n", 127)
        return await run_command(command, words[1:], stdin)


@contextlib.contextmanager
def _call_folder(calls: Path, call: str) -> Generator[int]:
    outer = os.open(calls, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
    try:
        folder = os.open(call, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=outer)
    finally:
        os.close(outer)
    try:
        yield folder
    finally:
        os.close(folder)


def _read_call(calls: Path, call: str) -> tuple[list[str], str | None]:
    with _call_folder(calls, call) as folder:
        words = _read_plain(folder, "words", _WORDS_BYTES)
        try:
            stdin = _read_plain(folder, "input", _INPUT_BYTES)
        except FileNotFoundError:
            stdin = None
    decoded = words.decode("utf-8", "replace").split("\0")[:-1]
    return decoded, None if stdin is None else stdin.decode("utf-8", "replace")


def _read_plain(folder: int, name: str, most: int) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a plain file")
        return file.read(most)


def _write_answer(calls: Path, call: str, printed: Printed) -> None:
    with _call_folder(calls, call) as folder:
        descriptor = os.open(
            "answer", os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o644, dir_fd=folder
        )
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(printed.text.encode("utf-8", "replace"))
        done = os.open("done", os.O_WRONLY | os.O_NONBLOCK | _NO_FOLLOW, dir_fd=folder)
        try:
            if stat.S_ISFIFO(os.fstat(done).st_mode):
                os.write(done, f"{printed.exit_code} {'err' if printed.exit_code else 'out'}\n".encode())
        finally:
            os.close(done)
