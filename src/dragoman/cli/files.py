"""Which files an ingestion takes: those named, and those below named folders, hidden and machine-made ones left out."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dragoman.kit.errors import InvalidInput

_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "dist", "build", "target"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and the name its document gets: the path below the folder that was named."""

    path: Path
    name: str


def find_files(roots: Sequence[Path]) -> list[FoundFile]:
    """Every file to ingest, in a stable order.

    Raises:
        InvalidInput: a named path does not exist, or nothing is there to read.
    """
    found: list[FoundFile] = []
    for root in roots:
        if not root.exists():
            raise InvalidInput(f"{root} does not exist.")
        found += [FoundFile(root, root.name)] if root.is_file() else list(_below(root))
    if not found:
        raise InvalidInput("There is no file to read there.")
    return found


def _below(folder: Path) -> Iterator[FoundFile]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(files):
            path = Path(parent) / name
            if not name.startswith(".") and path.is_file():
                yield FoundFile(path, path.relative_to(folder).as_posix())
