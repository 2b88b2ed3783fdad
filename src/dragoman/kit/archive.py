"""One tar file that is written whole or not at all, with a checksum of everything in it.

Its first member says what it is, its last lists every other member: a file cut short has no list and is refused.
"""

import fcntl
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from dragoman.kit.errors import Conflict, InvalidInput, Unavailable

HEADER, LIST = "dragoman-backup.json", "manifest.json"
_MOST_TEXT = 64 * 1024
_MOST_LIST = 1024**3
_PIECE = 1 << 20


class ArchiveWriter:
    """Adds files to an archive under way."""

    def __init__(self, tar: tarfile.TarFile, header: dict[str, object]) -> None:
        self._tar = tar
        self._members: dict[str, dict[str, object]] = {}
        self._add_text(HEADER, header)

    @property
    def count(self) -> int:
        """How many members there are, not counting the archive's own two."""
        return len(self._members)

    @property
    def size(self) -> int:
        """The bytes of all members."""
        return sum(cast("int", member.get("size", 0)) for member in self._members.values())

    def add_file(self, name: str, path: Path, *, whole_lines: bool = False) -> None:
        """Adds a regular file as it is now; of one that grows meanwhile, what it was when it was opened.

        Args:
            whole_lines: leave out what comes after the last line's end.

        Raises:
            FileNotFoundError: it is gone.
            Unavailable: it became shorter while it was read.
        """
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            size = _whole(file, state.st_size) if whole_lines else state.st_size
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = size, int(state.st_mtime), state.st_mode & 0o777
            hashing = _Hashing(file, size)
            try:
                self._tar.addfile(info, cast("IO[bytes]", hashing))
            except OSError as error:
                raise Unavailable(f"{path} could not be read or stored: {error}.") from error
        self._members[name] = {"size": size, "sha256": hashing.digest()}

    def add_link(self, name: str, target: str) -> None:
        """Adds a symbolic link as a link."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)
        self._members[name] = {"link": target}

    def add_folder(self, name: str) -> None:
        """Adds a folder, which may be empty."""
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        self._tar.addfile(info)
        self._members[name] = {"folder": True}

    def end(self) -> None:
        """Adds the list."""
        self._add_text(LIST, {"members": self._members})

    def _add_text(self, name: str, value: object) -> None:
        data = json.dumps(value, sort_keys=True).encode()
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))


class _Hashing:
    """Reads exactly so many bytes of a file and hashes them."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        self._hash.update(piece)
        return piece

    def digest(self) -> str:
        return self._hash.hexdigest()


def _whole(file: IO[bytes], size: int) -> int:
    """The length up to the end of the last whole line."""
    end = size
    while end > 0:
        start = max(0, end - _PIECE)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    file.seek(0)
    return end


@contextmanager
def new_archive(path: Path, header: dict[str, object]) -> Generator[ArchiveWriter]:
    """Writes to ``path.part`` beside it, and puts that in place when all is on disk; else ``path`` is as it was.

    Raises:
        Unavailable: the file cannot be written.
        Conflict: another process is writing it.
    """
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "r+b") as file:
        _lock(file, f"{path} is being written by another process.")
        try:
            file.truncate(0)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = ArchiveWriter(tar, header)
                yield writer
                writer.end()
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise Unavailable(f"{path} cannot be written: {error.strerror or error}.") from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    sync(path.parent)


def _lock(file: IO[Any], problem: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Conflict(problem, code="in_progress") from error


def sync(path: Path) -> None:
    """Makes what was done to a file or in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unpack(path: Path, folder: Path) -> dict[str, object]:
    """Writes everything in the archive below the folder, durable and checked; gives the header.

    Links are made last, so that nothing is ever written through one.

    Raises:
        InvalidInput: the file is no archive, was cut short or altered.
        Unavailable: it cannot be read, or the disk is full.
    """
    try:
        with tarfile.open(path, mode="r|") as tar:
            return _unpacked(tar, folder)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidInput(f"{path} is not a whole archive: {error}.", code="backup_damaged") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be unpacked: {error.strerror or error}.") from error


def _unpacked(tar: tarfile.TarFile, folder: Path) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {}
    header: dict[str, object] | None = None
    listed: dict[str, dict[str, object]] | None = None
    for member in tar:
        if listed is not None:
            raise ValueError("something follows its list")
        if header is None:
            header = _header(tar, member)
        elif member.name == LIST:
            listed = cast("dict[str, dict[str, object]]", _text(tar, member, _MOST_LIST).get("members", {}))
        else:
            found[member.name] = _placed(tar, member, folder)
    if header is None or listed is None:
        raise ValueError("it was cut short")
    for name in sorted(found.keys() | listed.keys()):
        if found.get(name) != listed.get(name):
            raise ValueError(f"{name} is not what was stored")
    for name, entry in found.items():
        if "link" in entry:
            (folder / name).symlink_to(cast("str", entry["link"]))
    for below in [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]:
        sync(below)
    return header


def _header(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, object]:
    if member.name != HEADER:
        raise ValueError("it was not made by dragoman")
    return _text(tar, member, _MOST_TEXT)


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> dict[str, object]:
    file = tar.extractfile(member)
    if file is None or member.size > most:
        raise ValueError(f"{member.name} cannot be read")
    value: object = json.loads(file.read())
    if not isinstance(value, dict):
        raise ValueError(f"{member.name} cannot be read")
    return cast("dict[str, object]", value)


def _placed(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> dict[str, object]:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise ValueError(f"{member.name} leads elsewhere")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
        return {"folder": True}
    if member.issym():
        return {"link": member.linkname}
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{member.name} is neither a file nor a folder")
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while piece := file.read(_PIECE):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fchmod(out.fileno(), member.mode & 0o777)
        os.fsync(out.fileno())
    return {"size": member.size, "sha256": digest.hexdigest()}
