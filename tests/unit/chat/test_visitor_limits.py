"""Visitors whom nobody vouches for ask only so much."""

import pytest
from tests.unit.chat.chat_world import World

from dragoman.domain.chat.limits import Pace, VisitorLimits
from dragoman.domain.chat.model import SessionDraft
from dragoman.domain.chat.service import ChatService
from dragoman.kit.errors import QuotaExceeded
from dragoman.kit.origin import asked_from


def limits(*, address: int = 100, client: int = 100, per_day: int = 0) -> VisitorLimits:
    return VisitorLimits(
        address=Pace(address, 60),
        client=Pace(client, 60),
        per_day=per_day,
    )


def at(address: str) -> dict[str, object]:
    return {"client": (address, 1)}


async def visitor(world: World) -> str:
    return await world.sessions.open_public(world.client.id, SessionDraft(seconds=3600))


async def test_a_new_session_does_not_help_an_address_that_asked_too_much(world: World) -> None:
    world.limits = limits(address=2)
    world.chat = world.service()
    with asked_from(at("203.0.113.1")):
        await world.ask(await visitor(world))
        await world.ask(await visitor(world))
        with pytest.raises(QuotaExceeded) as refused:
            await world.ask(await visitor(world))
    assert 0 < (refused.value.retry_after_seconds or 0) <= 60
    with asked_from(at("203.0.113.2")):
        await world.ask(await visitor(world))


async def test_another_address_does_not_help_against_the_clients_limit(world: World) -> None:
    world.limits = limits(client=2)
    world.chat = world.service()
    for number in range(2):
        with asked_from(at(f"203.0.113.{number}")):
            await world.ask(await visitor(world))
    with asked_from(at("203.0.113.9")), pytest.raises(QuotaExceeded):
        await world.ask(await visitor(world))


async def test_another_process_counts_the_same_visitors(world: World) -> None:
    services: list[ChatService] = []
    for _ in range(2):
        world.limits = limits(address=2)
        services.append(world.service())
    with asked_from(at("203.0.113.1")):
        for service in services:
            world.chat = service
            await world.ask(await visitor(world))
        for service in services:
            world.chat = service
            with pytest.raises(QuotaExceeded):
                await world.ask(await visitor(world))
        world.clock.now += 60_000
        await world.ask(await visitor(world))


async def test_the_days_bound_outlives_a_restart_and_ends_with_the_day(world: World) -> None:
    world.limits = limits(per_day=2)
    world.chat = world.service()
    for _ in range(2):
        await world.ask(await visitor(world))
    world.limits = limits(per_day=2)
    world.chat = world.service()
    with pytest.raises(QuotaExceeded) as refused:
        await world.ask(await visitor(world))
    assert refused.value.code == "messages_per_day"
    world.clock.now += 86_400_000
    await world.ask(await visitor(world))


async def test_a_question_that_is_refused_for_another_reason_is_not_counted(world: World) -> None:
    world.limits = limits(address=2, per_day=2)
    world.chat = world.service()
    await world.limit(messages_per_hour=1)
    key = await visitor(world)
    await world.ask(key)
    for _ in range(2):
        with pytest.raises(QuotaExceeded) as refused:
            await world.ask(key)
        assert refused.value.code == "messages_per_hour"
    await world.ask(await visitor(world))


async def test_sessions_that_the_operator_opened_are_bound_by_their_own_limits_only(world: World) -> None:
    world.limits = limits(address=1, client=1, per_day=1)
    world.chat = world.service()
    key = await world.key()
    for _ in range(3):
        await world.ask(key)
