"""Workspaces: paths, races and addresses."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.sandbox import tree
from dragoman.domain.sandbox.model import Bounds
from dragoman.domain.sandbox.paths import parse_path
from dragoman.domain.sandbox.service import SandboxService
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import InvalidInput, NotFound

HOUR = 3_600_000


class Clock:
    """Milliseconds that move only when told."""

    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(database: Database, data_dir: Path, clock: Clock) -> SandboxService:
    return SandboxService(database, data_dir / "workspaces", Bounds(10_000, 100_000), clock_ms=clock)


@pytest.fixture
async def ana(database: Database) -> Caller:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    await admin.create_user(NewUser("ana@example.org"))
    return await admin.caller("ana@example.org")


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def in_database_files(folder: Path, content: bytes) -> bool:
    files = [path for path in folder.iterdir() if path.name.startswith("dragoman.db")]
    assert files
    return any(content in path.read_bytes() for path in files)


async def read(sandbox: SandboxService, ana: Caller, path: str) -> bytes:
    opened = await sandbox.open(ana, "u", path)
    return b"".join([piece async for piece in opened.pieces()])


@given(st.text(alphabet="./ab\x00 é~\\", max_size=40))
def test_no_path_leads_above_the_root(text: str) -> None:
    try:
        names = parse_path(text)
    except InvalidInput:
        return
    assert all(name not in ("", ".", "..") and "/" not in name and "\x00" not in name for name in names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/", ()),
        (".", ()),
        ("a//b/./c", ("a", "b", "c")),
        ("a/../b", ("b",)),
        ("/home/workspace", ()),
        ("/home/workspace/a", ("a",)),
        ("/home/workspaces", ("home", "workspaces")),
        ("home/workspace/a", ("home", "workspace", "a")),
        ("~/x", ("~", "x")),
    ],
)
def test_paths_are_read_from_the_root_of_the_workspace(text: str, names: tuple[str, ...]) -> None:
    assert parse_path(text) == names


async def test_a_file_is_there_whole_or_not_at_all(sandbox: SandboxService, ana: Caller) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    await sandbox.put(ana, "u", "a", pieces(b"first"))
    with pytest.raises(ConnectionError):
        await sandbox.put(ana, "u", "a", broken())
    assert await read(sandbox, ana, "a") == b"first"
    assert os.listdir(sandbox.root(ana, "u").parent / ".coming") == []


async def test_a_reader_sees_the_file_as_it_was_opened(sandbox: SandboxService, ana: Caller) -> None:
    await sandbox.put(ana, "u", "a", pieces(b"old"))
    opened = await sandbox.open(ana, "u", "a")
    await sandbox.put(ana, "u", "a", pieces(b"newer"))
    assert b"".join([piece async for piece in opened.pieces()]) == b"old"
    assert opened.file.closed


async def test_a_file_that_grows_while_it_is_read_ends_where_it_was_told_to(
    sandbox: SandboxService, ana: Caller
) -> None:
    await sandbox.put(ana, "u", "a", pieces(b"told"))
    opened = await sandbox.open(ana, "u", "a")
    with (sandbox.root(ana, "u") / "a").open("ab") as file:
        file.write(b" and more")
    assert b"".join([piece async for piece in opened.pieces()]) == b"told"


async def test_a_token_holds_for_a_day_and_is_not_kept_itself(
    sandbox: SandboxService, ana: Caller, clock: Clock, database: Database, data_dir: Path
) -> None:
    await sandbox.put(ana, "u", "deep/a", pieces(b"x"))
    _, token = await sandbox.share(ana, "u", "deep/a")
    clock.now += 23 * HOUR
    opened = await sandbox.open_shared(token)
    await opened.close()
    clock.now += HOUR
    with pytest.raises(NotFound):
        await sandbox.open_shared(token)
    if database.dialect == "sqlite":
        assert not in_database_files(data_dir, token.encode())


async def test_a_shared_path_that_became_a_link_gives_nothing(
    sandbox: SandboxService, ana: Caller, tmp_path: Path
) -> None:
    await sandbox.put(ana, "u", "a", pieces(b"x"))
    _, token = await sandbox.share(ana, "u", "a")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    target = sandbox.root(ana, "u") / "a"
    target.unlink()
    target.symlink_to(secret)
    with pytest.raises(NotFound):
        await sandbox.open_shared(token)


async def test_a_workspace_that_is_itself_a_link_is_not_entered(
    sandbox: SandboxService, ana: Caller, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = sandbox.root(ana, "u")
    root.parent.mkdir(parents=True)
    root.symlink_to(outside, target_is_directory=True)
    with pytest.raises(NotFound):
        await sandbox.open(ana, "u", "secret")
    with pytest.raises(NotFound):
        await sandbox.listing(ana, "u", "/x")


async def test_leftovers_of_killed_uploads_are_swept_after_a_day(
    sandbox: SandboxService, ana: Caller, clock: Clock
) -> None:
    coming = sandbox.root(ana, "u").parent / ".coming"
    coming.mkdir(parents=True)
    for name, age_hours in (("old", 25), ("young", 1)):
        (coming / name).write_bytes(b"x")
        moment = (clock.now - age_hours * HOUR) / 1000
        os.utime(coming / name, (moment, moment))
    await sandbox.sweep()
    assert os.listdir(coming) == ["young"]


def test_usage_counts_a_block_for_everything_and_no_links_target(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * 5000)
    (tmp_path / "empty").write_bytes(b"")
    big = tmp_path.parent / "big"
    big.write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to(big)
    assert tree.usage(tmp_path) == 4096 + 8192 + 4096 + 4096
    assert tree.usage(tmp_path / "nothing") == 0
