"""Folders for work that is done whole or not at all, and folders that go into an archive."""

import fcntl
import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dragoman.kit.archive import ArchiveWriter
from dragoman.kit.errors import Conflict


@contextmanager
def alone(folder: Path, problem: str) -> Generator[None]:
    """Nobody else does so with this folder; a killed process holds nothing.

    Raises:
        Conflict: somebody does.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Conflict(problem, code="in_progress") from error
    finally:
        os.close(descriptor)


@contextmanager
def emptied(folder: Path, problem: str) -> Generator[Path]:
    """A folder that is emptied before and removed after; one user of its parent at a time.

    Raises:
        Conflict: another has it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent, problem):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def add_folder(archive: ArchiveWriter, folder: Path, called: str) -> None:
    """Adds all below a folder, links as links; pipes and the like have no content to keep."""
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(place) / name
            inside = f"{called}/{path.relative_to(folder).as_posix()}"
            try:
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    archive.add_link(inside, os.readlink(path))
                elif stat.S_ISDIR(mode):
                    archive.add_folder(inside)
                elif stat.S_ISREG(mode):
                    archive.add_file(inside, path)
            except FileNotFoundError:
                continue
