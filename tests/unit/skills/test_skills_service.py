"""Skills on both databases."""

import asyncio
from dataclasses import replace

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.skills.model import SkillDraft, SkillSource
from dragoman.domain.skills.service import SkillsService
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import Conflict, InvalidInput, NotFound

DRAFT = SkillDraft(
    "refunds",
    "Ask first.",
    "Money back",
    (SkillSource("rules", "https://example.com/r", headers={"X-Team": "a"}, cache_seconds=5),),
    ("order",),
)


SEALER = RootKey(bytes(32)).sealer("skills")


@pytest.fixture
async def callers(database: Database) -> tuple[Caller, Caller]:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    for email in ("ana@example.org", "bob@example.com"):
        await admin.create_user(NewUser(email))
    return await admin.caller("ana@example.org"), await admin.caller("bob@example.com")


async def test_a_skill_is_kept_whole_and_for_its_owner(
    database: Database, callers: tuple[Caller, Caller]
) -> None:
    ana, bob = callers
    service = SkillsService(database, SEALER)
    made = await service.create(ana, DRAFT)
    assert await service.get(ana, made.id) == made
    assert await service.named(ana, [made.id]) == [made]
    assert await service.named(ana, ["refunds", "other"]) == [made]
    assert await service.named(bob, ["refunds"]) == []
    with pytest.raises(NotFound):
        await service.get(bob, made.id)
    with pytest.raises(NotFound):
        await service.delete(bob, made.id)


async def test_of_many_that_make_one_slug_at_once_one_succeeds(
    database: Database, callers: tuple[Caller, Caller]
) -> None:
    service = SkillsService(database, SEALER)
    made = await asyncio.gather(
        *(service.create(callers[0], DRAFT) for _ in range(8)), return_exceptions=True
    )
    refused = [one for one in made if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {Conflict}
    assert len(refused) == 7
    assert len(await service.select(callers[0])) == 1


async def test_an_import_is_all_or_nothing(database: Database, callers: tuple[Caller, Caller]) -> None:
    service = SkillsService(database, SEALER)
    with pytest.raises(InvalidInput):
        await service.import_all(callers[0], [DRAFT, replace(DRAFT, slug="b b")])
    assert await service.select(callers[0]) == []
    done = await service.import_all(callers[0], [DRAFT, replace(DRAFT, slug="other"), DRAFT])
    assert (done.stored, done.skipped) == (2, 1)
    changed = await service.import_all(callers[0], [replace(DRAFT, allowed_tools=())])
    assert (changed.stored, changed.skipped) == (1, 0)
    assert await service.clear(callers[0]) == 2
