"""Planned messages that come due, on both databases, with a clock that tests move."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest
from tests.unit.chat.chat_world import ROOT, World

from dragoman.db.database import Database
from dragoman.db.jobs import RunLater
from dragoman.domain.chat.channels.delivery import ContactDelivery
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import (
    ChannelAdapter,
    Fetched,
    Hook,
    Inbound,
    MediaRef,
    Outgoing,
)
from dragoman.domain.chat.channels.sending import ContactSending
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.channels.tables import channel_contacts
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.model import Integration
from dragoman.domain.schedules.firing import ScheduleFiring
from dragoman.domain.schedules.model import Recipient
from dragoman.domain.schedules.planning import Conversation, Planner
from dragoman.domain.schedules.service import SchedulesService
from dragoman.kit.errors import InvalidInput, NotFound, ProviderError, QuotaExceeded

HOUR = 3_600_000


class Phone:
    """A messaging service that keeps what is sent."""

    longest_text = 4096
    piece_length = 1000
    written = staticmethod(str)

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.refuses = False

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        return None

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        return []

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        return "connected"

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        if self.refuses:
            raise ProviderError("No such number.")
        self.sent.append((address, piece.text))
        return str(len(self.sent))

    async def typing(self, integration: Integration, address: str) -> None:
        return None

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        raise AssertionError("nothing is fetched here")


class Planned(World):
    """A client that may plan, answering on Telegram, with the handlers of its jobs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.phone = Phone()

    async def prepare(self) -> None:
        await super().prepare()
        await self.clients.update(
            self.ana,
            self.client.id,
            lambda before: before.__class__(
                before.name,
                before.agent_id,
                spec=before.spec.model_copy(
                    update={"scheduled_continuations": True, "ignored_after_ms": HOUR}
                ),
            ),
        )
        integration = Integration("telegram", {}, {"botToken": "t"}, 3 * HOUR)
        await self.clients.put_integration(self.ana, self.client.id, "telegram", lambda before: integration)
        adapter = cast("ChannelAdapter", self.phone)
        places = Places(self.database, self.clients, {"telegram": adapter}, ROOT.derive("hooks"))
        contacts = ContactSessions(self.sessions)
        takeover = Takeover(contacts, held_ms=HOUR, clock_ms=self.clock)
        delivery = ContactDelivery(places, contacts, takeover, clock_ms=self.clock)
        self.schedules = SchedulesService(self.database, clock_ms=self.clock)
        self.planner = Planner(self.database, self.schedules, clock_ms=self.clock)
        self.firing = ScheduleFiring(
            database=self.database,
            chat=self.chat,
            sessions=self.sessions,
            delivery=delivery,
            wake=lambda: None,
            clock_ms=self.clock,
        )
        self.sending = ContactSending(
            self.database, places, most_attempts=2, settled=self.firing.settled, clock_ms=self.clock
        )
        to = Recipient("telegram:42@s1", "telegram", "42")
        self.talk = Conversation(self.client.id, to, UTC)

    def at(self, ahead_ms: int) -> str:
        return datetime.fromtimestamp((self.clock.now + ahead_ms) / 1000, UTC).isoformat()

    async def once(self, ahead_ms: int) -> dict[str, str]:
        made = await self.planner.once(
            self.ana, self.talk, time=self.at(ahead_ms), reason="dentist", context="at five"
        )
        return {"client": self.client.id, "schedule": made.id}

    async def send(self) -> None:
        found = await self.database.read(
            lambda connection: connection.execute(channel_contacts.select()).mappings().all()
        )
        for contact in found:
            await self.sending.handle({"contact": contact["key"]})

    async def result(self, schedule_id: str) -> str | None:
        found = await self.schedules.schedule(self.ana, self.client.id, schedule_id)
        return found.activation_result


@pytest.fixture
async def world(database: Database) -> AsyncGenerator[Planned]:
    made = Planned(database)
    await made.prepare()
    yield made
    await made.tasks.close()


async def test_a_planned_message_comes_once_at_its_moment(world: Planned) -> None:
    payload = await world.once(HOUR)
    with pytest.raises(RunLater) as early:
        await world.firing.once(payload)
    assert early.value.run_at == world.clock.now + HOUR
    world.clock.now += HOUR
    await world.firing.once(payload)
    assert "dentist" in world.runner.requests[-1].conversation[-1].text
    assert await world.result(payload["schedule"]) is None
    await world.send()
    assert world.phone.sent == [("42", "seen: 1")]
    found = await world.schedules.schedule(world.ana, world.client.id, payload["schedule"])
    assert (found.activation_result, found.activated_at) == ("Delivered", world.clock.now)
    assert found.activated_session_id is not None
    await world.firing.once(payload)
    await world.send()
    assert len(world.phone.sent) == 1


async def test_a_moment_missed_by_less_than_an_hour_is_made_up_for_and_else_ignored(world: Planned) -> None:
    late, too_late = await world.once(2 * HOUR), await world.once(HOUR)
    world.clock.now += 2 * HOUR + HOUR // 2
    await world.firing.once(late)
    await world.firing.once(too_late)
    await world.send()
    assert await world.result(late["schedule"]) == "Delivered"
    assert (await world.result(too_late["schedule"]) or "").startswith("Ignored")
    assert len(world.phone.sent) == 1


async def test_a_refused_delivery_is_noted(world: Planned) -> None:
    payload = await world.once(HOUR)
    world.phone.refuses = True
    world.clock.now += HOUR
    await world.firing.once(payload)
    await world.send()
    assert await world.result(payload["schedule"]) == "Failed: No such number."


async def test_who_does_not_answer_gets_no_more_until_they_write(world: Planned) -> None:
    key = await world.key(tag="telegram:42")
    await world.ask(key)
    first, second, third = [await world.once(hours * HOUR) for hours in (3, 4, 6)]
    world.clock.now += 3 * HOUR
    await world.firing.once(first)
    world.clock.now += HOUR
    await world.firing.once(second)
    assert (await world.result(second["schedule"]) or "").startswith("Ignored: the user left")
    inactive = (await world.schedules.all_of(world.ana, world.client.id)).inactive
    assert [one.external_user_id for one in inactive] == ["telegram:42@s1"]
    world.clock.now += HOUR
    await world.ask(await world.key(tag="telegram:42"))
    world.clock.now += HOUR
    await world.firing.once(third)
    await world.send()
    assert await world.result(third["schedule"]) == "Delivered"


async def test_a_recurring_task_ends_after_as_many_times_as_it_may(world: Planned) -> None:
    task = await world.planner.again(world.ana, world.talk, cron="0 * * * *", job="greet", most=2)
    payload = {"client": world.client.id, "task": task.id}
    for _ in range(2):
        found = await world.schedules.recurring_task(world.ana, world.client.id, task.id)
        world.clock.now = found.next_at
        await world.ask(await world.key(tag="telegram:42"))
        await world.firing.again(payload)
    await world.send()
    assert len(world.phone.sent) == 2
    with pytest.raises(NotFound):
        await world.schedules.recurring_task(world.ana, world.client.id, task.id)
    await world.firing.again(payload)


async def test_what_never_reached_somebody_does_not_make_them_inactive(world: Planned) -> None:
    await world.ask(await world.key(tag="telegram:42"))
    missed, later = await world.once(HOUR), await world.once(5 * HOUR)
    task = await world.planner.again(world.ana, world.talk, cron="0 * * * *", job="greet", most=2)
    world.clock.now += 4 * HOUR
    await world.firing.once(missed)
    await world.firing.again({"client": world.client.id, "task": task.id})
    assert (await world.result(missed["schedule"]) or "").startswith("Ignored: its moment was missed")
    assert (await world.schedules.all_of(world.ana, world.client.id)).inactive == ()
    found = await world.schedules.recurring_task(world.ana, world.client.id, task.id)
    assert (found.executions, found.last_at, found.active_at) == (0, None, None)
    world.clock.now += HOUR
    await world.firing.once(later)
    await world.send()
    assert await world.result(later["schedule"]) == "Delivered"


async def test_who_writes_a_command_that_leaves_no_message_is_no_longer_inactive(world: Planned) -> None:
    await world.ask(await world.key(tag="telegram:42"))
    first, second = await world.once(3 * HOUR), await world.once(4 * HOUR)
    world.clock.now += 3 * HOUR
    await world.firing.once(first)
    assert len((await world.schedules.all_of(world.ana, world.client.id)).inactive) == 1
    world.clock.now += 1000
    now = world.clock.now
    await world.database.write(
        lambda connection: connection.execute(channel_contacts.update().values(last_inbound_at=now))
    )
    assert (await world.schedules.all_of(world.ana, world.client.id)).inactive == ()
    world.clock.now += HOUR
    await world.firing.once(second)
    await world.send()
    assert await world.result(second["schedule"]) == "Delivered"


async def test_a_plan_for_somebody_who_never_wrote_reaches_them(world: Planned) -> None:
    talk = await world.planner.conversation_at(world.ana, world.client.id, "telegram", "77")
    made = await world.planner.once(world.ana, talk, time=world.at(HOUR), reason="greet", context="")
    world.clock.now += HOUR
    await world.firing.once({"client": world.client.id, "schedule": made.id})
    await world.send()
    assert world.phone.sent == [("77", "seen: 1")]
    assert await world.result(made.id) == "Delivered"


async def test_plans_have_bounds(world: Planned) -> None:
    with pytest.raises(InvalidInput, match="minute ahead"):
        await world.once(30_000)
    with pytest.raises(InvalidInput, match="15 minutes"):
        await world.planner.again(world.ana, world.talk, cron="*/5 * * * *", job="x", most=None)
    with pytest.raises(InvalidInput, match="cron"):
        await world.planner.again(world.ana, world.talk, cron="0 0 31 2 *", job="x", most=None)
    for _ in range(20):
        await world.once(HOUR)
    with pytest.raises(QuotaExceeded):
        await world.once(HOUR)


async def test_a_planned_message_for_the_chat_page_lands_in_its_session(world: Planned) -> None:
    key = await world.key(tag="ana")
    talk = Conversation(world.client.id, Recipient("ana@s", "web_chat", "ana"), UTC)
    made = await world.planner.once(world.ana, talk, time=world.at(HOUR // 2), reason="r", context="")
    world.clock.now += HOUR // 2
    await world.firing.once({"client": world.client.id, "schedule": made.id})
    assert await world.result(made.id) == "Delivered"
    _, said = await world.chat.said(key)
    assert [(one.role, one.text) for one in said] == [("assistant", "seen: 1")]
