"""What runs code that nobody vouches for: shells over a workspace, and isolates without any."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from dragoman.domain.messages.parts import ToolSpec
from dragoman.kit.jsontypes import JsonObject

Language: TypeAlias = Literal["shell", "python"]
# How a program ended: by itself, or stopped because it used up its time, memory, output or workspace.
Ending: TypeAlias = Literal["exited", "time", "memory", "output", "workspace"]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: a shell command line, or a Python script."""

    text: str
    language: Language = "shell"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. ``memory_bytes`` is of all its processes together; ``output_bytes`` are kept, more is read
    and dropped, and a program that writes very much more is stopped.
    """

    wall_seconds: float = 30.0
    cpu_seconds: int = 30
    memory_bytes: int = 1 << 30
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 100 * 1000**2
    workspace_bytes: int = 1 << 30
    output_bytes: int = 256 << 10


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A tool that a shell offers as a command. ``call`` gives what the command prints.

    Raises of ``call``:
        DragomanError: its sentence goes to the command's standard error.
    """

    spec: ToolSpec
    call: Callable[[JsonObject], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a program. ``output`` is what it wrote, both streams in order; ``cut`` when there was more.

    ``exit_code`` is 128 and the signal's number for a program that was stopped.
    """

    output: str
    exit_code: int
    ending: Ending = "exited"
    cut: bool = False


class Sandbox(Protocol):
    """A way of running programs from which they do not get out."""

    @property
    def name(self) -> str:
        """What operators call it."""
        ...

    async def run(
        self,
        program: Program,
        workspace: Path,
        *,
        limits: Limits,
        commands: Mapping[str, ShellCommand] = ...,
    ) -> Outcome:
        """Runs the program with the workspace as its home; nothing of it is left when this returns or is cancelled.

        Raises:
            Unavailable: the program could not be started.
            InvalidInput: this back end does not run this language, or the program is too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What is known of one back end: ``reason`` says why it is not used, None for the one in force."""

    name: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class WebRequest:
    """A request as a script of a worker sees it."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class WebResponse:
    """An answer, of a worker's script or to what it fetched."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Fetch: TypeAlias = Callable[[WebRequest], Awaitable[WebResponse]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a script came to: its value as text, and what it wrote to its console."""

    value: str
    console: str = ""


class Isolate(Protocol):
    """Runs JavaScript that reaches nothing but what it is given."""

    async def evaluate(self, code: str, *, timeout_seconds: float) -> Evaluation:
        """The value of the script's last expression, or what it returns.

        Raises:
            InvalidInput: it cannot be parsed; says what and where.
            Unprocessable: it threw, or needed too much memory.
            DeadlineExceeded: it did not end in time.
        """
        ...

    async def check(self, module: str) -> None:
        """Reads a worker's module without running any of it; without an engine only what can be seen without one.

        Raises:
            InvalidInput: it cannot be parsed, or has no default export; says what and where.
        """
        ...

    async def handle(
        self,
        module: str,
        request: WebRequest,
        *,
        env: Mapping[str, object],
        fetch: Fetch | None,
        timeout_seconds: float,
    ) -> WebResponse:
        """What the ``fetch`` of the module's default export answers. Without ``fetch`` the script has no network.

        Raises:
            InvalidInput: the module cannot be parsed, or exports no ``fetch``.
            Unprocessable: it threw, answered something else than a response, or needed too much memory.
            DeadlineExceeded: it did not end in time.
        """
        ...
