"""A person is erased whole, others keep what is theirs, the audit's chain holds and the bill stays."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.dialects.tenants.house import MARKER, House, house

from dragoman.bootstrap.erasing import open_erasure
from dragoman.db.schema import metadata
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.erasure import repository
from dragoman.domain.erasure.service import Retention
from dragoman.domain.messages.events import Usage
from dragoman.domain.sandbox import names
from dragoman.domain.usage.meter import UsageContext
from dragoman.domain.usage.receipts.tables import receipts
from dragoman.domain.usage.tables import journal_offsets, usage_records
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import Conflict, NotFound
from dragoman.kit.ids import uuid7
from dragoman.settings import Settings


@pytest.fixture
async def inhabited(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[House]:
    with pytest.MonkeyPatch.context() as patch:
        async with house(tmp_path / "data", patch) as made:
            await _counted(made)
            yield made


async def _counted(made: House) -> None:
    """Returns when all usage is out of the journal and in the database."""
    folder = _settings(made).data_dir / "journal"
    async with asyncio.timeout(30):
        while True:
            written = {file.name: file.stat().st_size for file in folder.glob("*.jsonl")}
            loaded = dict(await made.app.running.database.read(_offsets))
            if written and all(loaded.get(name, 0) == size for name, size in written.items()):
                return
            await asyncio.sleep(0.05)


def _offsets(connection: Connection) -> list[tuple[str, int]]:
    columns = journal_offsets.c
    return [
        (row.segment, row.offset) for row in connection.execute(sa.select(columns.segment, columns.offset))
    ]


def _settings(house: House) -> Settings:
    return house.app.running.services.settings


def _rows(connection: Connection) -> dict[str, list[str]]:
    # Jobs name rows by number only, and go a while after they are done.
    tables = [table for table in metadata.sorted_tables if table.name not in ("jobs", "versions")]
    return {table.name: [repr(row) for row in connection.execute(sa.select(table))] for table in tables}


def _cost(connection: Connection) -> tuple[int, int]:
    columns = usage_records.c
    whole = sa.select(sa.func.count(), sa.func.sum(columns.prompt_tokens)).select_from(usage_records)
    return tuple(connection.execute(whole).one())  # pyright: ignore[reportReturnType]


def test_every_table_that_names_a_user_is_in_the_plan() -> None:
    planned = {table.name for table, _ in repository.OWNED} | repository.KEPT
    for table in metadata.sorted_tables:
        refers = any(key.column.table.name == "users" for key in table.foreign_keys)
        if refers or {"user_id", "owner_id"} & {column.name for column in table.columns}:
            assert table.name in planned, f"say in erasure what becomes of {table.name}"


async def test_nothing_that_names_an_erased_user_is_left(inhabited: House) -> None:
    ana, running = inhabited.ana, inhabited.app.running
    database = running.database
    cost = await database.read(_cost)
    user_id = ana.things["user_id"]
    members = running.services.accounts.members
    await members.set_role(Steward(ana.things["organisation_id"]), inhabited.colleague.email, "owner")
    before = await database.read(_rows)
    async with open_erasure(_settings(inhabited)) as erasure:
        told = await erasure.look(ana.email)
        assert await database.read(_rows) == before
        done = await erasure.user(ana.email)
        assert replace(done, files=0) == told
        assert {"transcripts", "memories", "api_keys", "collections", "agents", "chat_clients"} <= set(
            done.removed
        )
        with pytest.raises(NotFound):
            await erasure.look(ana.email)
    after = await database.read(_rows)
    for table, rows in after.items():
        for row in rows:
            assert ana.email not in row.replace(f"erased-{user_id}", ""), f"{table}: {row}"
            # The others' gateways have her word in their instructions, and there are limits for somebody called so.
            limits = table in ("audit_events", "budget_limits")
            if not limits and "colleaguish" not in row and "strangely" not in row:
                assert MARKER not in row, f"{table}: {row}"
            if table not in ("users", "usage_records", "audit_events"):
                assert user_id not in row, f"{table}: {row}"
    assert await database.read(_cost) == cost
    for name in ("colleaguish", "strangely"):
        mine = {table: [row for row in rows if name in row] for table, rows in before.items()}
        for table in ("transcripts", "memories", "documents", "agents", "skills", "chat_clients", "passages"):
            assert mine[table]
            assert [row for row in after[table] if name in row] == mine[table]
    assert all(
        chain.problem is None for chain in await inhabited.app.running.services.accounts.audit.verify()
    )
    await running.services.accounts.versions.check()
    assert (await ana.client.get("/api/v1/collections")).status_code == 401
    found = await inhabited.colleague.client.post(
        "/api/v1/query",
        json={"term": "colleaguish", "collections": [inhabited.colleague.things["collection_id"]]},
    )
    assert "colleaguish" in found.text


async def test_collections_can_be_handed_to_a_colleague(inhabited: House) -> None:
    ana, colleague = inhabited.ana, inhabited.colleague
    async with open_erasure(_settings(inhabited)) as erasure:
        with pytest.raises(NotFound):
            await erasure.user(colleague.email, heir=inhabited.stranger.email)
        with pytest.raises(Conflict):
            await erasure.user(ana.email, heir=colleague.email)
        await inhabited.app.running.services.accounts.members.set_role(
            Steward(colleague.things["organisation_id"]), colleague.email, "owner"
        )
        await erasure.user(ana.email, heir=colleague.email)
    listed = await colleague.client.get(f"/api/v1/collections/{ana.things['collection_id']}/documents")
    assert MARKER in listed.text


async def test_somebody_whom_agents_talk_to_is_erased(inhabited: House) -> None:
    services = inhabited.app.running.services
    organisation = (
        await services.accounts.user(await services.accounts.admin.caller(inhabited.ana.email))
    ).organisation
    home = _settings(inhabited).workspaces_dir / inhabited.ana.things["user_id"]
    for user in (f"{MARKER}@s1", MARKER, "somebody else"):
        await asyncio.to_thread(names.remember, home, text_digest(user), user)
        (home / text_digest(user)).mkdir()
    async with open_erasure(_settings(inhabited)) as erasure:
        told = await erasure.look_at_person(organisation, MARKER)
        assert {"memories", "chat_sessions", "channel_contacts", "budget_limits"} <= set(told.removed)
        assert await erasure.person(organisation, MARKER) == replace(told, files=2)
        left = await asyncio.to_thread(names.workspaces, home)
        assert [one.user for one in left] == ["somebody else"]
        with pytest.raises(NotFound):
            await erasure.person(organisation, "nobody")
    client = inhabited.ana.client
    assert (await client.get(f"/api/v1/memories/{inhabited.ana.things['memory_id']}")).status_code == 404
    assert (
        await client.get(f"/api/v1/collections/{inhabited.ana.things['collection_id']}")
    ).status_code == 200
    assert all(
        chain.problem is None for chain in await inhabited.app.running.services.accounts.audit.verify()
    )


async def test_what_is_older_than_its_days_goes_and_the_rest_stays(inhabited: House) -> None:
    database = inhabited.app.running.database
    assert await Retention(database, {"memories": 0, "transcripts": 30}).sweep() == 0
    old = now_ms() - 40 * 86_400_000
    await database.write(
        lambda c: c.execute(sa.text("update memories set updated_at = :old"), {"old": old}).rowcount
    )
    assert await Retention(database, {"memories": 0, "transcripts": 30}).sweep() == 0
    assert await Retention(database, {"memories": 39, "transcripts": 30}).sweep() == 3


async def test_what_comes_late_about_an_erased_user_goes_with_the_next_sweep(inhabited: House) -> None:
    running, ana = inhabited.app.running, inhabited.ana
    members = running.services.accounts.members
    caller = await running.services.accounts.admin.caller(ana.email)
    await members.set_role(Steward(ana.things["organisation_id"]), inhabited.colleague.email, "owner")
    async with open_erasure(_settings(inhabited)) as erasure:
        await erasure.user(ana.email)
    context = UsageContext(caller=caller, dialect="openai", kind="chat", started_at=now_ms(), end_user=MARKER)
    running.services.meter.record(context, model="m", usage=Usage(), status=200)
    running.services.meter.tell(caller, uuid7(), {"documents": [MARKER]})
    await _counted(inhabited)
    assert await running.database.read(_naming) == (1, 1)
    assert await Retention(running.database, {}).sweep() == 2
    assert await running.database.read(_naming) == (0, 0)
    assert await Retention(running.database, {}).sweep() == 0


def _naming(connection: Connection) -> tuple[int, int]:
    """How many records of usage and how many receipts name the marked person."""
    used = sa.select(sa.func.count()).where(usage_records.c.end_user == MARKER)
    told = [str(one) for one in connection.execute(sa.select(receipts.c.told)).scalars()]
    return connection.execute(used).scalar_one(), sum(MARKER in one for one in told)
