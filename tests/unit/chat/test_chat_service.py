"""Web chat on both databases: clients, sessions, turns."""

import asyncio

import pytest
import sqlalchemy as sa
from tests.unit.chat.chat_world import HOUR, World

from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.errors import ChatUnavailable
from dragoman.domain.chat.model import ClientDraft, Integration, SessionDraft
from dragoman.domain.chat.service import Prompt
from dragoman.domain.chat.tables import chat_sessions, chat_turns
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    TextPart,
    VideoPart,
)
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import Conflict, NotFound, QuotaExceeded, Unavailable


async def test_a_conversation_goes_on_from_what_was_stored(world: World) -> None:
    key = await world.key(tag="ana@shop", extra_context="VIP", metadata={"order": "7"})
    assert await world.ask(key, "one") == "seen: 1"
    assert await world.ask(key, "two") == "seen: 3"
    request = world.runner.requests[1]
    assert [message.role for message in request.conversation] == ["user", "assistant", "user"]
    assert request.system_prompt == "Be kind.\n\nVIP"
    assert request.metadata == {"order": "7"}
    assert request.user is not None
    assert request.user.startswith("ana@shop@")
    live, said = await world.chat.said(key)
    assert [message.text for message in said] == ["one", "seen: 1", "two", "seen: 3"]
    assert live.session.token_count == 24
    (overview,) = await world.sessions.select(world.ana, world.client.id, wanted=None)
    assert (overview.message_count, overview.access_key) == (4, key)


async def test_every_kind_of_part_comes_back_from_the_database(world: World) -> None:
    parts: tuple[Part, ...] = (
        TextPart("é\n"),
        ImagePart("data:image/png;base64,AA", "low"),
        AudioPart("AA", "wav"),
        VideoPart("https://example.com/v"),
        FilePart("data:,x", "x.txt"),
        FilePart("data:,y"),
    )
    key = await world.key()
    turn = await world.chat.ask(key, Prompt(parts, "test"))
    await turn.reply()
    _, said = await world.chat.said(key)
    assert said[0].parts == parts


async def test_a_tag_is_found_again_until_its_session_expires(world: World) -> None:
    first = await world.key(tag="ana", seconds=600)
    assert await world.key(tag="ana", seconds=600) == first
    world.clock.now += 600_000
    assert await world.key(tag="ana") != first
    with pytest.raises(ChatUnavailable):
        await world.chat.find(first)


async def test_many_that_open_one_tag_at_once_share_a_session(world: World) -> None:
    keys = await asyncio.gather(*(world.key(tag="ana") for _ in range(12)))
    assert len(set(keys)) == 1


async def test_of_many_questions_at_once_one_is_answered(world: World) -> None:
    world.runner.may_answer.clear()
    key = await world.key()
    other = world.service()
    asked = await asyncio.gather(
        *(
            service.ask(key, Prompt((TextPart("x"),), "test"))
            for _ in range(6)
            for service in (world.chat, other)
        ),
        return_exceptions=True,
    )
    refused = [one for one in asked if isinstance(one, BaseException)]
    assert len(refused) == 11
    assert {type(one) for one in refused} == {Conflict}
    world.runner.may_answer.set()
    (turn,) = [one for one in asked if not isinstance(one, BaseException)]
    assert (await turn.reply()).answer.text == "seen: 1"


async def test_another_process_stops_an_answer(world: World) -> None:
    world.runner.may_answer.clear()
    key = await world.key()
    turn = await world.chat.ask(key, Prompt((TextPart("x"),), "test"))
    await world.service().cancel(key)
    async with asyncio.timeout(5):
        reply = await turn.reply()
    assert (reply.answer.text, reply.cancelled) == ("seen: ", True)


async def test_an_answer_of_a_deleted_session_is_dropped_without_touching_the_next(world: World) -> None:
    world.runner.may_answer.clear()
    session, key = await world.sessions.create(world.ana, world.client.id, SessionDraft(3600))
    turn = await world.chat.ask(key, Prompt((TextPart("x"),), "test"))
    await world.sessions.delete(world.ana, world.client.id, session.id)
    fresh = await world.key()
    world.runner.may_answer.set()
    with pytest.raises(ChatUnavailable):
        await turn.reply()
    assert (await world.chat.said(fresh))[1] == []
    assert await world.ask(fresh) == "seen: 1"


async def test_a_turn_left_by_a_killed_process_holds_for_twenty_seconds(world: World) -> None:
    world.runner.may_answer.clear()
    key = await world.key()
    turn = await world.chat.ask(key, Prompt((TextPart("x"),), "test"))
    with pytest.raises(Conflict):
        await world.ask(key)
    world.clock.now += 20_001
    other = await world.service().ask(key, Prompt((TextPart("y"),), "test"))
    world.runner.may_answer.set()
    assert (await other.reply()).answer.text == "seen: 2"
    with pytest.raises(ChatUnavailable):
        await turn.reply()


async def test_questions_within_an_hour_are_counted_whatever_became_of_them(world: World) -> None:
    await world.limit(messages_per_hour=2)
    key = await world.key(seconds=3 * 3600)
    await world.ask(key)
    world.clock.now += HOUR // 2
    await world.ask(key)
    await world.chat.rewind(key)
    with pytest.raises(QuotaExceeded) as refused:
        await world.ask(key)
    assert refused.value.retry_after_seconds == HOUR / 2 / 1000
    world.clock.now += HOUR // 2 + 1
    await world.ask(key)
    with pytest.raises(QuotaExceeded):
        await world.ask(key)
    kept = await world.database.read(lambda c: c.execute(sa.select(sa.func.count(chat_turns.c.id))).scalar())
    assert kept == 2


async def test_a_deleted_agent_leaves_the_client_without_one(world: World) -> None:
    key = await world.key()
    await world.agents.delete(world.ana, "gateway", world.agent_id)
    overview = await world.clients.get(world.ana, world.client.id)
    assert (overview.agent, overview.client.draft.agent_id) == (None, None)
    with pytest.raises(ChatUnavailable):
        await world.chat.find(key)


async def test_a_deleted_client_takes_everything_along(world: World) -> None:
    key = await world.key()
    await world.ask(key)
    made = Integration("telegram", {}, {"botToken": "t"}, 1000)
    await world.clients.put_integration(world.ana, world.client.id, "telegram", lambda before: made)
    with pytest.raises(NotFound):
        await world.clients.delete(world.bob, world.client.id)
    await world.clients.delete(world.ana, world.client.id)
    left = await world.database.read(lambda c: c.execute(sa.select(chat_sessions.c.key)).all())
    assert left == []


async def test_changes_at_the_same_time_are_all_kept(world: World) -> None:
    async def raise_limit() -> None:
        await world.clients.update(
            world.ana,
            world.client.id,
            lambda before: ClientDraft(before.name, before.agent_id, before.messages_per_hour + 1),
        )

    await asyncio.gather(*(raise_limit() for _ in range(10)))
    assert (await world.clients.get(world.ana, world.client.id)).client.draft.messages_per_hour == 10


async def test_secrets_do_not_open_for_another_client_or_key_file(world: World) -> None:
    made = Integration("telegram", {"x": 1}, {"botToken": "t"}, 1000)
    await world.clients.put_integration(world.ana, world.client.id, "telegram", lambda before: made)
    assert await world.clients.integrations(world.ana, world.client.id) == {"telegram": made}
    elsewhere = ChatClientsService(world.database, RootKey(bytes(32)).sealer("chat"))
    with pytest.raises(Unavailable):
        await elsewhere.integrations(world.ana, world.client.id)
    with pytest.raises(NotFound):
        await world.clients.integrations(world.bob, world.client.id)
