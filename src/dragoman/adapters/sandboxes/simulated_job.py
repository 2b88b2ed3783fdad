"""What the simulated shell is told and tells; its engine is loaded in the child process only."""

import importlib
import importlib.util
from dataclasses import dataclass

_ENGINE = "dragoman.adapters.sandboxes.simulated_child"
_PACKAGE = "bashkit"


def is_installed() -> bool:
    """Whether the engine is there."""
    return importlib.util.find_spec(_PACKAGE) is not None


@dataclass(frozen=True, slots=True)
class Job:
    """What to run and within which bounds. ``base`` is the folder that all workspaces lie in."""

    text: str
    is_python: bool
    base: str
    workspace: str
    commands: tuple[str, ...]
    seconds: float
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it."""

    output: bytes
    exit_code: int
    cut: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that the parent carries out; the answer is its text and exit code."""

    name: str
    words: tuple[str, ...]
    stdin: str | None


def run(job: Job) -> Ran:
    """Runs the program, in a child process."""
    return importlib.import_module(_ENGINE).run(job)
