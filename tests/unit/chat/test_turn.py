"""One answer under way: whole, stopped, failed, and not kept."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from dragoman.domain.chat.turn import Reply, Turn
from dragoman.domain.messages.events import Event, Finished, TextDelta, Usage
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.tasks import TaskOwner

Kept = list[tuple[Reply | None, Exception | None]]
DONE = Finished("stop", Usage(3, 2), "model")


async def two_words() -> AsyncGenerator[Event]:
    yield TextDelta("two ")
    yield TextDelta("words")
    yield DONE


def turn_of(answer: Callable[[], AsyncGenerator[Event]], kept: Kept, *, streamed: bool = False) -> Turn:
    async def keep(reply: Reply | None, error: Exception | None) -> Reply | None:
        kept.append((reply, error))
        return reply

    return Turn(answer, keep, prompt_characters=40, streamed=streamed)


async def test_a_reply_is_kept_before_it_is_given() -> None:
    kept: Kept = []
    turn = turn_of(two_words, kept)
    turn.begin(TaskOwner())
    reply = await turn.reply()
    assert (reply.answer.text, reply.cancelled) == ("two words", False)
    assert kept == [(reply, None)]


async def test_events_come_as_they_are_made_and_end_with_the_turn() -> None:
    kept: Kept = []
    turn = turn_of(two_words, kept, streamed=True)
    turn.begin(TaskOwner())
    events = [event async for event in turn.events(idle_seconds=5)]
    assert events == [(1, TextDelta("two ")), (2, TextDelta("words"))]
    assert len(kept) == 1


async def test_a_reader_who_comes_back_goes_on_where_it_was() -> None:
    turn = turn_of(two_words, [], streamed=True)
    turn.begin(TaskOwner())
    async for told in turn.events(idle_seconds=5):
        assert told == (1, TextDelta("two "))
        break
    assert [told async for told in turn.events(idle_seconds=5, after=1)] == [(2, TextDelta("words"))]


async def test_a_slow_reader_gets_everything() -> None:
    async def many() -> AsyncGenerator[Event]:
        for number in range(1000):
            yield TextDelta(f"{number} ")
        yield DONE

    turn = turn_of(many, [], streamed=True)
    turn.begin(TaskOwner())
    await asyncio.sleep(0.01)
    seen = 0
    async for event in turn.events(idle_seconds=5):
        assert event == (seen + 1, TextDelta(f"{seen} "))
        seen += 1
        if seen % 100 == 0:
            await asyncio.sleep(0)
    assert seen == 1000


async def test_a_reader_is_told_of_silence() -> None:
    release = asyncio.Event()

    async def waiting() -> AsyncGenerator[Event]:
        await release.wait()
        yield DONE

    turn = turn_of(waiting, [], streamed=True)
    turn.begin(TaskOwner())
    seen: list[tuple[int, Event] | None] = []
    async for event in turn.events(idle_seconds=0.01):
        seen.append(event)
        release.set()
    assert seen[0] is None
    assert set(seen) == {None}


async def test_what_there_is_of_a_stopped_answer_is_kept_with_estimated_tokens() -> None:
    spoken, kept = asyncio.Event(), Kept()
    closed: list[bool] = []

    async def endless() -> AsyncGenerator[Event]:
        try:
            yield TextDelta("partial!")
            spoken.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)
        yield DONE

    turn = turn_of(endless, kept)
    turn.begin(TaskOwner())
    await spoken.wait()
    turn.cancel()
    reply = await turn.reply()
    assert (reply.answer.text, reply.cancelled) == ("partial!", True)
    assert reply.answer.usage == Usage(10, 2, estimated=True)
    assert closed == [True]
    assert len(kept) == 1


async def test_stopping_before_the_first_step_keeps_nothing_but_ends() -> None:
    turn = turn_of(two_words, [])
    turn.begin(TaskOwner())
    turn.cancel()
    reply = await turn.reply()
    assert (reply.answer.text, reply.cancelled) == ("", True)


async def test_stopping_a_whole_answer_changes_nothing() -> None:
    keeping, go_on = asyncio.Event(), asyncio.Event()

    async def keep(reply: Reply | None, error: Exception | None) -> Reply | None:
        keeping.set()
        await go_on.wait()
        return reply

    turn = Turn(two_words, keep, prompt_characters=0, streamed=False)
    turn.begin(TaskOwner())
    await keeping.wait()
    turn.cancel()
    go_on.set()
    assert (await turn.reply()).cancelled is False


async def test_a_failure_is_told_and_its_keeping_too() -> None:
    async def failing() -> AsyncGenerator[Event]:
        yield TextDelta("half")
        raise ProviderError("Down.")

    kept: Kept = []
    turn = turn_of(failing, kept)
    turn.begin(TaskOwner())
    with pytest.raises(ProviderError):
        await turn.reply()
    assert kept[0][0] is None
    assert isinstance(kept[0][1], ProviderError)


async def test_an_answer_that_cannot_be_kept_is_not_given() -> None:
    async def keep(reply: Reply | None, error: Exception | None) -> Reply | None:
        raise Unavailable("The disk is full.")

    turn = Turn(two_words, keep, prompt_characters=0, streamed=True)
    turn.begin(TaskOwner())
    assert len([event async for event in turn.events(idle_seconds=5)]) == 2
    with pytest.raises(Unavailable):
        await turn.reply()


async def test_a_bug_reaches_who_waits_and_lets_the_session_go(capsys: pytest.CaptureFixture[str]) -> None:
    async def buggy() -> AsyncGenerator[Event]:
        raise KeyError("bug")
        yield DONE

    kept: Kept = []
    turn = turn_of(buggy, kept)
    turn.begin(TaskOwner())
    with pytest.raises(KeyError):
        await turn.reply()
    assert len(kept) == 1
    assert "chat.turn_crashed" in capsys.readouterr().out


async def test_shutting_down_keeps_what_there_is() -> None:
    spoken, kept, tasks = asyncio.Event(), Kept(), TaskOwner()

    async def endless() -> AsyncGenerator[Event]:
        yield TextDelta("partial")
        spoken.set()
        await asyncio.Event().wait()
        yield DONE

    turn = turn_of(endless, kept)
    turn.begin(tasks)
    await spoken.wait()
    await tasks.close()
    reply, _ = kept[0]
    assert reply is not None
    assert (reply.answer.text, reply.cancelled) == ("partial", True)
    assert (await turn.reply()) is reply
