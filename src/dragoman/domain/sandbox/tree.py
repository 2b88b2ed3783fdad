"""A workspace's folder on disk. Everything blocks.

Whoever works in a workspace may put links there and move things about at any time. So no path is ever opened as a whole:
each folder is opened from the one before it and no link is followed.
"""

import errno
import fcntl
import mimetypes
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dragoman.domain.sandbox.model import Entry, FileDetails
from dragoman.domain.sandbox.walk import BLOCK, DEPTH, FOLDER, charged, remove, usage
from dragoman.kit.errors import Conflict, InvalidInput, NotFound, TooLarge

# Opening a pipe would wait for who writes into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_LOOKED_AT_BYTES = 8192


def _no_file() -> NotFound:
    return NotFound("File not found.", param="path", code="file_not_found")


def _no_folder() -> NotFound:
    return NotFound("Directory not found.", param="path", code="directory_not_found")


def _entry(name: str, found: os.stat_result) -> Entry:
    folder = stat.S_ISDIR(found.st_mode)
    return Entry(
        name=name,
        is_directory=folder,
        size=None if folder else found.st_size,
        created_at=min(found.st_mtime_ns, found.st_ctime_ns) // 1_000_000,
        modified_at=found.st_mtime_ns // 1_000_000,
    )


@contextmanager
def _opened(root: Path, names: Sequence[str], *, create: bool = False) -> Generator[int]:
    """A descriptor of the folder; with ``create`` it and its parents are made where absent.

    Raises:
        OSError: as the file system says.
    """
    if create:
        root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, FOLDER)
    try:
        for name in names:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=folder)
            inner = os.open(name, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def open_file(root: Path, names: Sequence[str]) -> tuple[BinaryIO, FileDetails]:
    """The file, to be closed by who asked, and what is known of it.

    Raises:
        NotFound: no such file.
    """
    if not names:
        raise _no_file()
    try:
        with _opened(root, names[:-1]) as folder:
            descriptor = os.open(names[-1], _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in (*_ABSENT, errno.ENXIO):
            raise _no_file() from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _no_file()
        details = _details(_entry(names[-1], found), os.pread(descriptor, _LOOKED_AT_BYTES, 0))
        return os.fdopen(descriptor, "rb"), details
    except BaseException:
        os.close(descriptor)
        raise


def describe(root: Path, names: Sequence[str]) -> FileDetails:
    """What is known of a file.

    Raises:
        NotFound: no such file.
    """
    file, details = open_file(root, names)
    file.close()
    return details


def _details(entry: Entry, head: bytes) -> FileDetails:
    plain = _is_plain(head)
    guessed, packed = mimetypes.guess_type(entry.name)
    media_type = guessed if guessed and packed is None else None
    return FileDetails(entry, media_type or ("text/plain" if plain else "application/octet-stream"), plain)


def _is_plain(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # A character cut in two by the end of what was looked at is no sign of anything.
        return len(head) == _LOOKED_AT_BYTES and error.start >= len(head) - 3
    return True


def listing(root: Path, names: Sequence[str]) -> list[Entry]:
    """Files and folders, folders first, then by name; the root is there even before anything was put into it.

    Raises:
        NotFound: no such folder.
    """
    try:
        with _opened(root, names) as folder, os.scandir(folder) as found:
            entries = [
                _entry(one.name, one.stat(follow_symlinks=False))
                for one in found
                if one.is_dir(follow_symlinks=False) or one.is_file(follow_symlinks=False)
            ]
    except OSError as error:
        if not names and error.errno == errno.ENOENT:
            return []
        if error.errno in _ABSENT:
            raise _no_folder() from error
        raise
    return sorted(entries, key=lambda entry: (not entry.is_directory, entry.name))


def put(root: Path, names: Sequence[str], content: Path, *, workspace_bytes: int) -> None:
    """Moves a finished file into the workspace, in place of one that is there; makes the folders above it.

    Raises:
        Conflict: a folder is there, or something above is no folder.
        InvalidInput: it would lie too deep.
        TooLarge: the workspace would grow beyond its bound.
    """
    if not names:
        raise Conflict("A directory is there.", param="path", code="is_directory")
    with _locked(root):
        replaced = _present(root, names)
        if replaced is not None and replaced.is_directory:
            raise Conflict("A directory is there.", param="path", code="is_directory")
        freed = 0 if replaced is None else charged(replaced.size or 0)
        _refuse_full(root, charged(content.stat().st_size) - freed + BLOCK * len(names), workspace_bytes)
        with _made(root, names[:-1]) as folder:
            os.rename(content, names[-1], dst_dir_fd=folder)


def make_folder(root: Path, names: Sequence[str], *, workspace_bytes: int) -> None:
    """Makes a folder and those above it, where absent.

    Raises:
        Conflict: a file is there or above.
        InvalidInput: it would lie too deep.
        TooLarge: the workspace would grow beyond its bound.
    """
    with _locked(root):
        _refuse_full(root, BLOCK * len(names), workspace_bytes)
        with _made(root, names):
            return


@contextmanager
def _locked(root: Path) -> Generator[None]:
    """Nobody else adds to this workspace through the server meanwhile, also in other processes.

    The lock lies beside the workspace, where no program inside can hold it.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = os.open(
        root.with_name(f".{root.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _made(root: Path, names: Sequence[str]) -> Generator[int]:
    """A descriptor of the folder, which is made where absent."""
    if len(names) > DEPTH:
        raise InvalidInput(f"Folders may lie {DEPTH} deep.", param="path")
    try:
        with _opened(root, names, create=True) as folder:
            yield folder
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise Conflict("A file is there.", param="path", code="is_file") from error
        raise


def _present(root: Path, names: Sequence[str]) -> Entry | None:
    """What has this path now."""
    try:
        with _opened(root, names[:-1]) as folder:
            return _entry(names[-1], os.stat(names[-1], dir_fd=folder, follow_symlinks=False))
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _refuse_full(root: Path, adding: int, workspace_bytes: int) -> None:
    if usage(root) + adding > workspace_bytes:
        raise TooLarge(
            f"The workspace holds at most {workspace_bytes} bytes; delete something first.",
            param="path",
            code="workspace_full",
        )


def delete_file(root: Path, names: Sequence[str]) -> None:
    """Removes a file, or a link itself.

    Raises:
        NotFound: no such file.
    """
    if not names:
        raise _no_file()
    try:
        with _opened(root, names[:-1]) as folder:
            os.unlink(names[-1], dir_fd=folder)
    except OSError as error:
        if error.errno in (*_ABSENT, errno.EISDIR, errno.EPERM):
            raise _no_file() from error
        raise


def delete_folder(root: Path, names: Sequence[str]) -> None:
    """Removes a folder with everything in it.

    Raises:
        InvalidInput: the root.
        NotFound: no such folder.
    """
    if not names:
        raise InvalidInput("Attempted to delete the root directory.", param="path", code="root_directory")
    try:
        with _opened(root, names[:-1]) as folder:
            os.close(os.open(names[-1], FOLDER, dir_fd=folder))
            remove(names[-1], folder, root.with_name(".trash"))
    except OSError as error:
        if error.errno in _ABSENT:
            raise _no_folder() from error
        raise
