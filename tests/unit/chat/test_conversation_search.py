"""What was said is found by its words, by client, and by how a conversation stands."""

import pytest
from tests.unit.chat.chat_world import HOUR, World

from dragoman.domain.chat.search import ConversationSearch, snippet_of
from dragoman.kit.errors import InvalidInput, NotFound


def search(world: World) -> ConversationSearch:
    return ConversationSearch(world.database, clock_ms=world.clock)


async def test_a_conversation_is_found_once_by_all_words_whatever_their_case_and_accents(
    world: World,
) -> None:
    key = await world.key()
    await world.ask(key, "Onde fica a ESTAÇÃO central?")
    await world.ask(key, "A estacao, por favor: 100%_certo")
    await world.ask(await world.key(), "Something else.")
    finder = search(world)
    for text in ("estação", "ESTACAO favor", "estaç", "100%_"):
        (found,) = await finder.find(world.ana, text)
        assert found.message.text == "A estacao, por favor: 100%_certo"
        assert (found.client_name, found.standing) == (world.client.draft.name, "open")
    (one,) = await finder.find(world.ana, "central")
    assert one.snippet == "Onde fica a ESTAÇÃO central?"
    assert await finder.find(world.ana, "estacao else") == []
    assert await finder.find(world.ana, "%") != []
    assert await finder.find(world.ana, "x_c") == []
    assert len(await finder.find(world.ana, "")) == 2


async def test_it_is_narrowed_by_client_and_standing(world: World) -> None:
    key = await world.key()
    await world.ask(key, "kettle")
    session = (await world.chat.find(key)).session
    finder = search(world)
    assert len(await finder.find(world.ana, "kettle", client_id=world.client.id, standing="open")) == 1
    assert await finder.find(world.ana, "kettle", standing="held") == []
    await world.takeover.take_over(world.ana, world.client.id, session.id)
    (held,) = await finder.find(world.ana, "kettle", standing="held")
    assert held.standing == "held"
    assert await finder.find(world.ana, "kettle", standing="open") == []
    world.clock.now += 100 * HOUR
    (over,) = await finder.find(world.ana, "kettle", standing="over")
    assert over.standing == "over"
    with pytest.raises(NotFound):
        await finder.find(world.ana, "kettle", client_id="01900000-0000-7000-8000-000000000000")


async def test_nobody_finds_what_was_said_to_another(world: World) -> None:
    await world.ask(await world.key(), "kettle")
    assert await search(world).find(world.bob, "kettle") == []
    with pytest.raises(NotFound):
        await search(world).find(world.bob, "kettle", client_id=world.client.id)


async def test_too_many_words_are_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        await search(world).find(world.ana, " ".join(f"w{number}" for number in range(11)))


def test_a_snippet_shows_where_the_words_stand() -> None:
    text = "é" * 300 + " The kettle is blue. " + "b" * 300
    assert "The kettle is blue." in snippet_of(text, ["kettle"])
    assert snippet_of("short", []) == "short"
