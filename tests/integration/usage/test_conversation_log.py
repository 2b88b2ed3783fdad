"""The log of conversations stays within its bounds, and a turn that was left is kept as far as it came."""

import itertools
from collections.abc import AsyncGenerator

import anyio
import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.messages.events import Event, Finished, TextDelta, Usage
from dragoman.domain.messages.parts import Message
from dragoman.domain.usage.conversations.model import Asked, ConversationFilter
from dragoman.domain.usage.conversations.service import ConversationLog, KeptBounds
from dragoman.kit.crypto import RootKey
from dragoman.kit.tasks import TaskOwner


@pytest.fixture
async def caller(database: Database) -> Caller:
    accounts = AccountsService(database, RootKey(b"k" * 32))
    await accounts.admin.create_user(NewUser("ana@example.org"))
    _, key = await accounts.admin.create_key("ana@example.org", "first")
    return await accounts.keys.authenticate_slow(key)


def asked(text: str, key: str | None = None) -> Asked:
    return Asked("Api", (Message.of_text("user", text),), "model", key=key)


async def events() -> AsyncGenerator[Event]:
    yield TextDelta("half ")
    yield TextDelta("whole")
    yield Finished("stop", Usage(3, 2), "model")


async def previews(log: ConversationLog, caller: Caller) -> list[str]:
    return [one.preview for one in await log.select(caller, ConversationFilter())]


async def test_of_an_account_the_oldest_go_beyond_the_bound(database: Database, caller: Caller) -> None:
    log = ConversationLog(
        database, TaskOwner(), KeptBounds(per_account=2), clock_ms=itertools.count(1).__next__
    )
    for text in ("one", "two", "three"):
        await log.keep(caller, asked(text), None)
    assert await previews(log, caller) == ["three", "two"]


async def test_what_nobody_went_on_with_is_forgotten(database: Database, caller: Caller) -> None:
    now = [1_000_000]
    log = ConversationLog(database, TaskOwner(), KeptBounds(days=1), clock_ms=lambda: now[0])
    for _ in range(120):
        await log.keep(caller, asked("new"), None)
    now[0] += 86_400_000
    assert await log.forget_old() == 0
    now[0] += 1
    assert await log.forget_old() == 120
    assert await previews(log, caller) == []


async def test_of_a_long_conversation_the_latest_is_kept(database: Database, caller: Caller) -> None:
    log = ConversationLog(database, TaskOwner(), KeptBounds(characters=100))
    said = tuple(Message.of_text("user", letter * 60) for letter in "abc")
    stored = await log.keep(caller, Asked("Api", said, "model"), None)
    (last,) = (await log.get(caller, stored)).messages[-1:]
    assert last["content"] == "c" * 60
    assert all("a" not in str(message["content"]) for message in (await log.get(caller, stored)).messages)


async def test_a_turn_is_kept_before_its_end_is_told(database: Database, caller: Caller) -> None:
    log = ConversationLog(database, TaskOwner())
    async for event in log.recorded(caller, asked("hi", "k\0ey"), events()):
        if isinstance(event, Finished):
            assert await previews(log, caller) == ["hi"]


async def test_a_turn_that_was_left_is_kept_as_far_as_it_came(database: Database, caller: Caller) -> None:
    tasks = TaskOwner()
    log = ConversationLog(database, tasks)
    stream = log.recorded(caller, asked("hi"), events())
    assert await anext(stream) == TextDelta("half ")
    await stream.aclose()
    with anyio.fail_after(5):
        while not await previews(log, caller):  # noqa: ASYNC110 - a database cannot signal
            await anyio.sleep(0.01)
    (one,) = await log.select(caller, ConversationFilter())
    assert one.error is not None
    messages = (await log.get(caller, one.id)).messages
    assert messages[-1]["content"] == "half "
    await tasks.close()
