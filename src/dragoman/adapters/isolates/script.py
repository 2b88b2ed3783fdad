"""What an engine for JavaScript is told and tells; it is loaded in the child process only."""

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["value", "unparsed", "thrown", "time", "memory"]

_ENGINE = "dragoman.adapters.isolates.child"
_PACKAGE = "py_mini_racer"


def is_installed() -> bool:
    """Whether the engine is there."""
    return importlib.util.find_spec(_PACKAGE) is not None


@dataclass(frozen=True, slots=True)
class Script:
    """What to run. ``request`` makes it the body of a worker's module that answers it; ``only_read`` stops before it runs."""

    code: str
    seconds: float
    memory_bytes: int
    request: str | None = None
    env: str = "{}"
    may_fetch: bool = False
    only_read: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its value, or the sentence that says what went wrong."""

    kind: Kind
    text: str = ""
    console: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that the parent is asked to send, as JSON; its answer is JSON as well."""

    request: str


def run(script: Script) -> Ended:
    """Runs one script, in a child process."""
    return importlib.import_module(_ENGINE).run(script)
