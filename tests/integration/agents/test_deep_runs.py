"""Researches as both databases keep them: in order, once, their owner's alone."""

import pytest
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import counts
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.deep import repository
from dragoman.domain.agents.deep.model import DeepProgress, DeepSettings, Exchange, Source, Told
from dragoman.domain.agents.deep.service import DeepResearch
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import Conflict, NotFound, QuotaExceeded

_SETTINGS = DeepSettings(model="default", collection_ids=("c",), live=1)


@pytest.fixture
async def callers(database: Database) -> tuple[Caller, Caller]:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    for email in ("ana@example.org", "eve@example.org"):
        await admin.create_user(NewUser(email))
    return await admin.caller("ana@example.org"), await admin.caller("eve@example.org")


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def research(database: Database, woken: list[str]) -> DeepResearch:
    return DeepResearch(database, wake=lambda: woken.append("woken"))


async def ended(database: Database, number: int, progress: DeepProgress) -> None:
    def end(connection: Connection) -> None:
        run = repository.of_job(connection, number, hold=True)
        assert run is not None
        told = (Told("note", {"message": "n\u00e9 \U0001f98a"}), Told("answer", {"text": "It is so."}))
        repository.save(connection, run, state="done", progress=progress, told=told)

    await database.write(end)


async def test_a_research_begins_with_its_job_and_is_told_in_order(
    database: Database, research: DeepResearch, callers: tuple[Caller, Caller], woken: list[str]
) -> None:
    ana, _ = callers
    run = await research.begin(ana, "Why?", _SETTINGS)
    assert woken == ["woken"]
    assert (await database.read(counts, now_ms())).queued == 1
    kept = await research.get(ana, run.number)
    assert (kept.state, kept.turn, kept.question, kept.settings) == ("working", 1, "Why?", _SETTINGS)
    await ended(database, run.number, DeepProgress())
    told = [update async for update in research.follow(ana, run.number) if update is not None]
    assert [update.sequence for update in told] == [1, 2, 3, 4]
    assert [update.kind for update in told] == ["question", "status", "note", "answer"]
    assert [update.last for update in told] == [False, False, False, True]
    assert told[2].payload == {"message": "n\u00e9 \U0001f98a"}


async def test_a_further_question_keeps_what_was_found(
    database: Database, research: DeepResearch, callers: tuple[Caller, Caller]
) -> None:
    ana, _ = callers
    run = await research.begin(ana, "Why?", _SETTINGS)
    with pytest.raises(Conflict):
        await research.resume(ana, run.number, "And?", _SETTINGS)
    source = Source(number=1, key="k", title="t", text="x", metadata={"filename": "a"})
    history = (Exchange(question="Why?", answer="It is so."),)
    await ended(database, run.number, DeepProgress(stage="write", sources=(source,), history=history))
    await research.resume(ana, run.number, "And?", DeepSettings(model="other"))
    kept = await research.get(ana, run.number)
    assert (kept.state, kept.turn, kept.question, kept.settings.model) == ("working", 2, "And?", "other")
    assert kept.progress == DeepProgress(sources=(source,), history=history)


async def test_a_stopped_research_stays_stopped(
    research: DeepResearch, callers: tuple[Caller, Caller]
) -> None:
    ana, _ = callers
    run = await research.begin(ana, "Why?", _SETTINGS)
    assert await research.cancel(ana, run.number)
    assert not await research.cancel(ana, run.number)
    told = [update async for update in research.follow(ana, run.number) if update is not None]
    assert (told[-1].kind, told[-1].last) == ("error", True)


async def test_anothers_research_does_not_exist(
    research: DeepResearch, callers: tuple[Caller, Caller]
) -> None:
    ana, eve = callers
    run = await research.begin(ana, "Why?", _SETTINGS)
    for number in (run.number, 424_242):
        with pytest.raises(NotFound):
            await research.get(eve, number)
        with pytest.raises(NotFound):
            await research.resume(eve, number, "Mine?", _SETTINGS)
        with pytest.raises(NotFound):
            await research.cancel(eve, number)
        with pytest.raises(NotFound):
            await anext(research.follow(eve, number))
    assert await research.latest(eve, 10) == []
    assert [one.number for one in await research.latest(ana, 10)] == [run.number]


async def test_too_many_at_work_are_refused(research: DeepResearch, callers: tuple[Caller, Caller]) -> None:
    ana, eve = callers
    for _ in range(10):
        await research.begin(ana, "Why?", _SETTINGS)
    with pytest.raises(QuotaExceeded):
        await research.begin(ana, "Why?", _SETTINGS)
    await research.begin(eve, "Why?", _SETTINGS)
