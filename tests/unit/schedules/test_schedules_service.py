"""Planned messages on both databases."""

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.model import ClientDraft
from dragoman.domain.schedules.model import Recipient
from dragoman.domain.schedules.service import SchedulesService, TaskPlan
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import NotFound

ROOT = RootKey(bytes(32))


async def test_plans_are_kept_for_the_owner_of_the_client(database: Database) -> None:
    admin = AccountsService(database, ROOT).admin
    for email in ("ana@example.org", "bob@example.com"):
        await admin.create_user(NewUser(email))
    ana, bob = await admin.caller("ana@example.org"), await admin.caller("bob@example.com")
    client = await ChatClientsService(database, ROOT.sealer("chat")).create(ana, ClientDraft("Shop"))
    schedules = SchedulesService(database)
    to = Recipient("carl@s1", "kapso", "+1")
    made = await schedules.plan(ana, client.id, to, at=5, reason="r", context="c")
    task = await schedules.repeat(ana, client.id, to, TaskPlan("0 9 * * 1", "job", 7))
    found = await schedules.all_of(ana, client.id, "carl@s2")
    assert (found.schedules, found.recurring, found.inactive) == ((made,), (task,), ())
    assert await schedules.schedule(ana, client.id, made.id) == made
    for attempt in (
        schedules.plan(bob, client.id, to, at=5, reason="r", context="c"),
        schedules.repeat(bob, client.id, to, TaskPlan("0 9 * * 1", "job", 7)),
        schedules.all_of(bob, client.id),
        schedules.cancel(bob, client.id, made.id),
        schedules.cancel_recurring(bob, client.id, task.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    await schedules.cancel(ana, client.id, made.id)
    await schedules.cancel_recurring(ana, client.id, task.id)
    empty = await schedules.all_of(ana, client.id)
    assert (empty.schedules, empty.recurring) == ((), ())
