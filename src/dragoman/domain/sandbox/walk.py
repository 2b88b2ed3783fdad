"""Going through a whole workspace, and removing one, while whoever works in it moves things about. Everything blocks.

Each folder is opened from the one before it and no link is followed, however the tree changes meanwhile.
"""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from dragoman.kit.ids import uuid7

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEPTH = 200
BLOCK = 4096
_UNCOUNTABLE = 1 << 62
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def usage(root: Path) -> int:
    """The bytes that a workspace takes; every file and folder counts for a block at least.

    What cannot be counted, because it lies too deep, counts for more than any workspace may take: nobody gets room by hiding
    things. A folder that its owner has shut is opened again.
    """
    return _survey(root, None)


def hand_over(root: Path, owner: int | None) -> int:
    """Makes everything in a workspace, and itself, the owner's (None = as it is); what ``usage`` gives."""
    if owner is not None:
        os.chown(root, owner, owner)
    return _survey(root, owner)


def charged(size: int) -> int:
    """What a file of this size counts for."""
    return max(BLOCK, -(-size // BLOCK) * BLOCK)


def _survey(root: Path, owner: int | None) -> int:
    try:
        folder = os.open(root, FOLDER)
    except OSError as error:
        if error.errno in _GONE:
            return 0
        raise
    with _closing(folder):
        return _count(folder, owner, 0)


def _count(folder: int, owner: int | None, depth: int) -> int:
    if depth > DEPTH:
        return _UNCOUNTABLE
    total = 0
    with os.scandir(folder) as found:
        for entry in found:
            try:
                total += _count_entry(folder, entry, owner, depth)
            except OSError as error:
                if error.errno not in _GONE:
                    return _UNCOUNTABLE
    return total


def _count_entry(folder: int, entry: os.DirEntry[str], owner: int | None, depth: int) -> int:
    details = entry.stat(follow_symlinks=False)
    if owner is not None and details.st_uid != owner:
        os.chown(entry.name, owner, owner, dir_fd=folder, follow_symlinks=False)
    if not entry.is_dir(follow_symlinks=False):
        return charged(details.st_size)
    with _inner(folder, entry.name) as inner:
        return BLOCK + _count(inner, owner, depth + 1)


@contextmanager
def _inner(folder: int, name: str) -> Generator[int]:
    try:
        inner = os.open(name, FOLDER, dir_fd=folder)
    except PermissionError:
        with _closing(os.open(name, os.O_PATH | FOLDER, dir_fd=folder)) as shut:
            os.chmod(f"/proc/self/fd/{shut}", 0o700)
        inner = os.open(name, FOLDER, dir_fd=folder)
    with _closing(inner):
        yield inner


@contextmanager
def _closing(descriptor: int) -> Generator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove(name: str, folder: int, trash: Path) -> None:
    """Removes a folder at one stroke for those who look, with everything in it, however deep.

    Args:
        name: of the folder, in the one that ``folder`` is a descriptor of.
        trash: a folder on the same file system that nobody else looks into; made where absent.

    Raises:
        OSError: there is no such folder.
    """
    trash.mkdir(parents=True, exist_ok=True)
    with _closing(os.open(trash, FOLDER)) as bin_:
        doomed = uuid7()
        os.rename(name, doomed, src_dir_fd=folder, dst_dir_fd=bin_)
        waiting = [doomed]
        while waiting:
            # Folders are lifted to the top before they are emptied, so that no depth matters.
            one = waiting.pop()
            with _inner(bin_, one) as inner, os.scandir(inner) as found:
                _unlock(inner)
                for entry in list(found):
                    if entry.is_dir(follow_symlinks=False):
                        lifted = uuid7()
                        _lift(entry.name, inner, lifted, bin_)
                        waiting.append(lifted)
                    else:
                        os.unlink(entry.name, dir_fd=inner)
            os.rmdir(one, dir_fd=bin_)


def _lift(name: str, folder: int, lifted: str, top: int) -> None:
    # A folder that its owner may not write to cannot be moved, for its entry '..' would change.
    with _inner(folder, name) as inner:
        _unlock(inner)
    os.rename(name, lifted, src_dir_fd=folder, dst_dir_fd=top)


def _unlock(folder: int) -> None:
    with suppress(PermissionError):
        os.fchmod(folder, 0o700)


def remove_tree(path: Path) -> None:
    """Removes a folder that lies in one of ours, with everything in it; one that is not there is no matter."""
    with _closing(os.open(path.parent, FOLDER)) as parent, suppress(FileNotFoundError):
        remove(path.name, parent, path.parent / ".trash")
