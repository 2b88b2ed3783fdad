"""Files at public addresses: kept, found, forgotten; on both databases."""

from pathlib import Path

import pytest

from dragoman.adapters.blobs.obstore import local_blobs
from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.tools.hosted.model import HostedKind
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import NotFound, TooLarge

DAY_MS = 24 * 3_600_000
START = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def accounts(database: Database) -> AccountsService:
    return AccountsService(database, RootKey(b"k" * 32))


@pytest.fixture
async def caller(accounts: AccountsService) -> Caller:
    await accounts.admin.create_user(NewUser("ana@example.org"))
    _, key = await accounts.admin.create_key("ana@example.org", "first")
    return await accounts.keys.authenticate_slow(key)


@pytest.fixture
def hosted(database: Database, folder: Path, clock: Clock) -> HostedFiles:
    def link(kind: HostedKind, token: str, name: str) -> str:
        return f"http://here/{kind}/{token}/{name}"

    return HostedFiles(database, local_blobs(folder), link=link, days=90, owner_bytes=100, clock_ms=clock)


def token_of(link: str) -> str:
    return link.split("/")[4]


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


async def content(hosted: HostedFiles, kind: HostedKind, token: str) -> bytes:
    _, pieces = await hosted.open(kind, token)
    return b"".join([piece async for piece in pieces])


async def store(hosted: HostedFiles, caller: Caller, data: bytes, kind: HostedKind = "media") -> str:
    return await hosted.store(caller, data, kind=kind, name="a.png", media_type="image/png")


async def test_a_file_is_found_by_its_address_and_kind_alone(hosted: HostedFiles, caller: Caller) -> None:
    token = token_of(await store(hosted, caller, b"picture"))
    assert len(token) >= 43
    assert await content(hosted, "media", token) == b"picture"
    for kind, wrong in (("page", token), ("media", token[:-1] + "_"), ("media", "")):
        with pytest.raises(NotFound):
            await hosted.open(kind, wrong)  # pyright: ignore[reportArgumentType]


async def test_the_content_of_an_own_address_is_known_and_of_a_foreign_one_not(
    hosted: HostedFiles, caller: Caller
) -> None:
    link = await store(hosted, caller, b"picture")
    assert await hosted.content(link) == b"picture"
    assert await hosted.content("http://elsewhere/media/" + "a" * 43) is None
    assert await hosted.content("http://elsewhere/picture.png") is None


async def test_a_file_is_gone_after_its_days_with_its_content(
    hosted: HostedFiles, caller: Caller, clock: Clock, folder: Path
) -> None:
    token = token_of(await store(hosted, caller, b"old"))
    clock.now += 89 * DAY_MS
    kept = token_of(await store(hosted, caller, b"new"))
    assert await hosted.sweep() == 0
    clock.now += 2 * DAY_MS
    with pytest.raises(NotFound):
        await hosted.open("media", token)
    assert await hosted.sweep() == 1
    assert await content(hosted, "media", kept) == b"new"
    assert files_in(folder) == 1


async def test_content_without_an_address_is_removed_once_it_is_old(
    hosted: HostedFiles, caller: Caller, clock: Clock, folder: Path
) -> None:
    left = folder / "hosted" / caller.user_id / "left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    clock.now = int(left.stat().st_mtime * 1000)
    await hosted.sweep()
    assert left.exists()
    clock.now += DAY_MS
    assert await hosted.sweep() == 1
    assert not left.exists()


async def test_a_users_files_have_a_bound_together(hosted: HostedFiles, caller: Caller, clock: Clock) -> None:
    await store(hosted, caller, b"x" * 60)
    with pytest.raises(TooLarge, match="60 are used"):
        await store(hosted, caller, b"x" * 60)
    clock.now += 91 * DAY_MS
    await store(hosted, caller, b"x" * 60)


async def test_a_disabled_users_files_are_not_shown(
    hosted: HostedFiles, caller: Caller, accounts: AccountsService
) -> None:
    token = token_of(await store(hosted, caller, b"x"))
    await accounts.admin.set_disabled("ana@example.org", True)
    with pytest.raises(NotFound):
        await hosted.open("media", token)
