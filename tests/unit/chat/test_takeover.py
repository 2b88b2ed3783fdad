"""A person answers in a web chat in the agent's place."""

import anyio
import pytest
from tests.unit.chat.chat_world import HOUR, World

from dragoman.domain.chat.errors import ChatUnavailable
from dragoman.domain.chat.service import Prompt
from dragoman.domain.messages.parts import TextPart
from dragoman.kit.errors import Conflict, InvalidInput, NotFound


async def session_of(world: World, key: str) -> str:
    return (await world.chat.find(key)).session.id


async def test_the_agent_keeps_quiet_until_it_is_released(world: World) -> None:
    key = await world.key()
    session = await session_of(world, key)
    held = await world.takeover.take_over(world.ana, world.client.id, session)
    assert (held.held_by, held.is_held(world.clock())) == ("ana@example.org", True)
    turn = await world.chat.ask(key, Prompt((TextPart("Is anybody there?"),), "test"))
    reply = await turn.reply()
    assert (reply.held, reply.answer.text, world.runner.requests) == (True, "", [])
    await world.takeover.say(world.ana, world.client.id, session, "  I am.  ")
    await world.takeover.release(world.ana, world.client.id, session)
    assert await world.ask(key, "Good.") == "seen: 3"
    found = await world.takeover.conversation(world.ana, world.client.id, session)
    assert [(one.role, one.text, one.author) for one in found.messages] == [
        ("user", "Is anybody there?", None),
        ("assistant", "I am.", "ana@example.org"),
        ("user", "Good.", None),
        ("assistant", "seen: 3", None),
    ]


async def test_a_hold_ends_by_itself_after_the_persons_last_word(world: World) -> None:
    key = await world.key()
    session = await session_of(world, key)
    await world.takeover.say(world.ana, world.client.id, session, "one moment")
    world.clock.now += 59_000
    assert (await world.chat.find(key)).session.is_held(world.clock())
    world.clock.now += 2_000
    assert await world.ask(key) == "seen: 2"


async def test_an_answer_under_way_is_stopped(world: World) -> None:
    key = await world.key()
    world.runner.may_answer.clear()
    turn = await world.chat.ask(key, Prompt((TextPart("x"),), "test"))
    await world.takeover.take_over(world.ana, world.client.id, await session_of(world, key))
    with anyio.fail_after(10):
        assert (await turn.reply()).cancelled


async def test_whoever_watches_is_told_at_once(world: World) -> None:
    key = await world.key()
    session = await session_of(world, key)
    news = world.news.watch(key)
    try:
        first = await anext(news)
        assert first is not None
        assert (first.last_message_id, first.held) == (None, False)
        said = await world.takeover.say(world.ana, world.client.id, session, "hello")
        with anyio.fail_after(10):
            told = await anext(news)
            while told is None:
                told = await anext(news)
        assert (told.last_message_id, told.held) == (said.id, True)
    finally:
        await news.aclose()
    with pytest.raises(ChatUnavailable):
        await anext(world.news.watch("wky_none"))


async def test_nobody_else_takes_over_and_nothing_empty_is_said(world: World) -> None:
    key = await world.key(seconds=600)
    session = await session_of(world, key)
    with pytest.raises(NotFound):
        await world.takeover.take_over(world.bob, world.client.id, session)
    with pytest.raises(NotFound):
        await world.takeover.conversation(world.ana, world.client.id, world.client.id)
    with pytest.raises(InvalidInput):
        await world.takeover.say(world.ana, world.client.id, session, " \0 ")
    world.clock.now += HOUR
    with pytest.raises(Conflict):
        await world.takeover.say(world.ana, world.client.id, session, "too late")


async def test_an_agent_does_not_speak_by_itself_while_a_person_answers(world: World) -> None:
    key = await world.key()
    await world.takeover.take_over(world.ana, world.client.id, await session_of(world, key))
    with pytest.raises(ChatUnavailable) as refused:
        await world.chat.ask(key, Prompt(None, "test", instruction="Remind the user."))
    assert refused.value.code == "session_held"
