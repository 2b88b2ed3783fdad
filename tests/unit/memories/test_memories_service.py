"""Memories on both databases, for tools and their owners."""

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.memories.model import MemoryFilter
from dragoman.domain.memories.service import MemoriesService, MemoryDraft
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import InvalidInput, NotFound

DAY = 86_400_000
ALL = MemoryFilter()


class Clock:
    """Milliseconds that move only when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memories(database: Database, clock: Clock) -> MemoriesService:
    return MemoriesService(database, clock_ms=clock)


@pytest.fixture
async def ana(database: Database) -> Caller:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    await admin.create_user(NewUser("ana@example.org"))
    return await admin.caller("ana@example.org")


@pytest.fixture
async def eve(database: Database) -> Caller:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    await admin.create_user(NewUser("eve@example.com"))
    return await admin.caller("eve@example.com")


async def test_what_has_expired_is_gone_for_everybody(
    memories: MemoriesService, ana: Caller, clock: Clock
) -> None:
    short = await memories.save(ana, MemoryDraft("u", "short", days=1))
    usual = await memories.save(ana, MemoryDraft("u", "usual"))
    always = await memories.save(ana, MemoryDraft("u", "always", days=None))
    clock.now += 2 * DAY
    assert [memory.content for memory in await memories.select(ana, ALL)] == ["always", "usual"]
    for attempt in (
        memories.get(ana, short.id),
        memories.update(ana, short.id, "x"),
        memories.remove(ana, short.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await memories.clear(ana, "u", "text") == 2
    assert usual.expires_at is not None
    assert always.expires_at is None


async def test_a_search_gives_those_with_most_of_the_words_first_then_the_newest(
    memories: MemoriesService, ana: Caller
) -> None:
    for user, content in (
        ("u@1", "likes green tea"),
        ("u@2", "likes Coffee"),
        ("u", "lives in Rome"),
        ("v", "likes green tea a lot"),
    ):
        await memories.save(ana, MemoryDraft(user, content))

    async def found(query: str, most: int = 10) -> list[str]:
        return [memory.content for memory in await memories.search(ana, "u@9", query, wanted=ALL, most=most)]

    assert await found("GREEN likes?") == ["likes green tea", "likes Coffee"]
    assert await found("likes") == ["likes Coffee", "likes green tea"]
    assert await found("") == ["lives in Rome", "likes Coffee", "likes green tea"]
    assert await found("", most=1) == ["lives in Rome"]
    assert await found("nothing") == []


async def test_a_person_changes_and_removes_only_what_is_theirs(
    memories: MemoriesService, ana: Caller, eve: Caller, clock: Clock
) -> None:
    kept = await memories.save(ana, MemoryDraft("u@1", "old", days=1))
    changed = await memories.update(ana, kept.id, "new", external_user_id="u@2", days=10)
    assert changed.content == "new"
    assert changed.expires_at is not None
    assert changed.expires_at > clock.now + 9 * DAY
    for caller, user in ((ana, "v"), (eve, "u")):
        with pytest.raises(NotFound):
            await memories.update(caller, kept.id, "x", external_user_id=user)
        with pytest.raises(NotFound):
            await memories.remove(caller, kept.id, external_user_id=user)
    assert await memories.select(eve, ALL) == []
    assert (await memories.remove(ana, kept.id, external_user_id="u")).content == "new"


@pytest.mark.parametrize(
    "draft",
    [
        MemoryDraft("", "x"),
        MemoryDraft("@host", "x"),
        MemoryDraft("u" * 257, "x"),
        MemoryDraft("u", " "),
        MemoryDraft("u", "a\x00"),
        MemoryDraft("u", "é" * 5121),
        MemoryDraft("u", "x", days=0),
        MemoryDraft("u", "x", days=366),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    memories: MemoriesService, ana: Caller, draft: MemoryDraft
) -> None:
    with pytest.raises(InvalidInput):
        await memories.save(ana, draft)
    assert await memories.select(ana, ALL) == []


async def test_the_bounds_themselves_are_kept(memories: MemoriesService, ana: Caller) -> None:
    kept = await memories.save(ana, MemoryDraft("u" * 256, "é" * 5120, days=365))
    assert (await memories.get(ana, kept.id)).content == "é" * 5120
