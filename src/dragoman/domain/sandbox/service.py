"""Workspaces for callers: each of a caller's end users has a tree of files of their own."""

import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.sandbox import names, repository, tree
from dragoman.domain.sandbox.model import Bounds, Entry, FileDetails
from dragoman.domain.sandbox.paths import parse_path
from dragoman.domain.sandbox.walk import remove_tree
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import InvalidInput, NotFound, TooLarge, Unavailable
from dragoman.kit.ids import uuid7

_DAY_MS = 24 * 3_600_000
_LINK_MS = _DAY_MS
_LONGEST_USER = 256
_PIECE_BYTES = 1 << 18
_COMING = ".coming"
_TEMPORARY = ".temporary"


@dataclass(slots=True)
class OpenedFile:
    """A file being read. Iterating ``pieces`` to its end, or closing it, lets go of the file."""

    details: FileDetails
    file: BinaryIO

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content, as much as there was when it was opened."""
        left = self.details.entry.size or 0
        try:
            while left > 0 and (piece := await to_thread.run_sync(self.file.read, min(left, _PIECE_BYTES))):
                left -= len(piece)
                yield piece
        finally:
            with CancelScope(shield=True):
                await self.close()

    async def close(self) -> None:
        """Lets go of the file; may be called twice."""
        await to_thread.run_sync(self.file.close)


class SandboxService:
    """What a caller may do with the files of the people their agents work for.

    A workspace belongs to one caller and one ``user``, a name that the caller chooses. It is the folder that a shell of that
    user sees as its home.
    """

    def __init__(
        self, database: Database, folder: Path, bounds: Bounds, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._folder = folder
        self._bounds = bounds
        self._clock_ms = clock_ms

    @property
    def bounds(self) -> Bounds:
        """How much goes in."""
        return self._bounds

    def root(self, caller: Caller, user: str) -> Path:
        """The folder of a user's workspace, which may not be there yet.

        Raises:
            InvalidInput: no such name can be had.
        """
        return self._folder / caller.user_id / _workspace(user)

    async def begun(self, caller: Caller, user: str) -> Path:
        """The folder of a user's workspace, whose name is known from now on.

        Raises:
            InvalidInput: no such name can be had.
        """
        root = self.root(caller, user)
        await to_thread.run_sync(names.remember, root.parent, root.name, user)
        return root

    async def workspaces(self, caller: Caller) -> list[names.WorkspaceUse]:
        """The caller's workspaces with what they take, the one changed last first; counts every file."""
        return await to_thread.run_sync(names.workspaces, self._folder / caller.user_id)

    async def temporary(self, caller: Caller) -> Path:
        """A fresh folder that no user's workspace is; whoever asked removes it."""
        path = self._folder / caller.user_id / _TEMPORARY / uuid7()
        await to_thread.run_sync(lambda: path.mkdir(parents=True))
        return path

    async def open(self, caller: Caller, user: str, path: str) -> OpenedFile:
        """A file for reading; whoever asked iterates or closes it.

        Raises:
            InvalidInput: the path leads above the root.
            NotFound: no such file.
        """
        return await to_thread.run_sync(_open, self.root(caller, user), parse_path(path))

    async def details(self, caller: Caller, user: str, path: str) -> FileDetails:
        """What is known of a file.

        Raises:
            InvalidInput: the path leads above the root.
            NotFound: no such file.
        """
        return await to_thread.run_sync(tree.describe, self.root(caller, user), parse_path(path))

    async def listing(self, caller: Caller, user: str, path: str) -> list[Entry]:
        """What is in a folder, folders first, then by name.

        Raises:
            InvalidInput: the path leads above the root.
            NotFound: no such folder.
        """
        return await to_thread.run_sync(tree.listing, self.root(caller, user), parse_path(path))

    async def put(self, caller: Caller, user: str, path: str, pieces: AsyncIterator[bytes]) -> None:
        """Stores a file whole, or not at all; folders above it are made.

        Raises:
            InvalidInput: the path leads above the root.
            Conflict: a folder is there, or a file is in place of a folder.
            TooLarge: the file or the workspace would be too large.
            Unavailable: the disk is full.
        """
        parts = parse_path(path)
        root = await self.begun(caller, user)
        coming = await to_thread.run_sync(self._receive, caller)
        try:
            await self._write(coming, pieces)
            await to_thread.run_sync(_finish, coming)
            await to_thread.run_sync(
                lambda: tree.put(root, parts, Path(coming.name), workspace_bytes=self._bounds.workspace_bytes)
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable("The server's disk is full.", code="disk_full") from error
            raise
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(_discard, coming)

    async def make_folder(self, caller: Caller, user: str, path: str) -> None:
        """Makes a folder and those above it; one that is there stays as it is.

        Raises:
            InvalidInput: the path leads above the root.
            Conflict: a file is there.
            TooLarge: the workspace is full.
        """
        parts, room = parse_path(path), self._bounds.workspace_bytes
        root = await self.begun(caller, user)
        await to_thread.run_sync(lambda: tree.make_folder(root, parts, workspace_bytes=room))

    async def delete_file(self, caller: Caller, user: str, path: str) -> None:
        """Removes a file.

        Raises:
            InvalidInput: the path leads above the root.
            NotFound: no such file.
        """
        await to_thread.run_sync(tree.delete_file, self.root(caller, user), parse_path(path))

    async def delete_folder(self, caller: Caller, user: str, path: str) -> None:
        """Removes a folder with everything in it.

        Raises:
            InvalidInput: the root, or the path leads above it.
            NotFound: no such folder.
        """
        await to_thread.run_sync(tree.delete_folder, self.root(caller, user), parse_path(path))

    async def share(self, caller: Caller, user: str, path: str) -> tuple[FileDetails, str]:
        """A file and a token that lets anybody fetch it for 24 hours.

        Raises:
            InvalidInput: the path leads above the root.
            NotFound: no such file.
        """
        parts = parse_path(path)
        details = await to_thread.run_sync(tree.describe, self.root(caller, user), parts)
        token, now = secrets.token_urlsafe(32), self._clock_ms()

        def store(connection: Connection) -> None:
            repository.delete_expired(connection, caller, now)
            repository.insert(
                connection,
                caller,
                text_digest(token),
                workspace=_workspace(user),
                path="/".join(parts),
                expires_at=now + _LINK_MS,
            )
            audit.record(connection, caller, "file.shared", "/".join(parts), workspace=_workspace(user))

        await self._database.write(store)
        return details, token

    async def open_shared(self, token: str) -> OpenedFile:
        """The file behind a token, as it is now.

        Raises:
            NotFound: the token is unknown or has expired, or the file is gone.
        """
        found = await self._database.read(repository.by_digest, text_digest(token), self._clock_ms())
        if found is None:
            raise NotFound("File not found.", code="file_not_found")
        root = self._folder / found.owner_id / found.workspace
        return await to_thread.run_sync(_open, root, tuple(found.path.split("/")))

    async def sweep(self) -> None:
        """Removes what uploads and programs left behind when their process was killed."""
        await to_thread.run_sync(_sweep, self._folder, (self._clock_ms() - _DAY_MS) / 1000)

    def _receive(self, caller: Caller) -> BinaryIO:
        # Beside the workspaces and on their file system, so that a finished file is moved in at one stroke.
        folder = self._folder / caller.user_id / _COMING
        folder.mkdir(parents=True, exist_ok=True)
        return open(str(folder / uuid7()), "xb")

    async def _write(self, coming: BinaryIO, pieces: AsyncIterator[bytes]) -> None:
        size, waiting = 0, bytearray()
        async for piece in pieces:
            size += len(piece)
            if size > self._bounds.file_bytes:
                raise TooLarge(f"A file has at most {self._bounds.file_bytes} bytes.", code="file_too_large")
            waiting += piece
            if len(waiting) >= _PIECE_BYTES:
                await to_thread.run_sync(coming.write, bytes(waiting))
                waiting.clear()
        await to_thread.run_sync(coming.write, bytes(waiting))


def _workspace(user: str) -> str:
    if not user.strip() or len(user) > _LONGEST_USER or not user.isprintable():
        raise InvalidInput(
            f"A shell user has 1 to {_LONGEST_USER} printable characters.", code="shell_user_invalid"
        )
    return text_digest(user)


def _open(root: Path, names: tuple[str, ...]) -> OpenedFile:
    file, details = tree.open_file(root, names)
    return OpenedFile(details, file)


def _finish(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _discard(file: BinaryIO) -> None:
    file.close()
    with suppress(FileNotFoundError):
        os.unlink(file.name)


def _sweep(folder: Path, before: float) -> None:
    for path in folder.glob(f"*/{_COMING}/*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
    left = (
        *folder.glob(f"*/{_TEMPORARY}/*"),
        *folder.glob("*/.trash"),
        *folder.glob("probe-*"),
        *folder.glob(f"*/{_TEMPORARY}/.trash/*"),
    )
    for path in left:
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                remove_tree(path)
