"""Hidden turns, traces and approvals on both databases: kept for their owner, for their time."""

import asyncio

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.approvals.model import ApprovalFilter
from dragoman.domain.agents.approvals.service import Approvals, Wish
from dragoman.domain.agents.pending.service import Hidden, PendingResults
from dragoman.domain.agents.traces.model import RunTrace, Step, TraceFilter
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.messages.parts import ImagePart, Message, TextPart, ToolCall, VideoPart
from dragoman.kit.errors import Conflict, NotFound

DAY_MS = 86_400_000
WISH = Wish("run-1", "agent-1", "bot", "u1", "c1", "pay", "outside", {"sum": 5}, "to settle it")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


async def test_hidden_turns_come_back_around_the_call_of_their_owner_for_a_day(
    database: Database, callers: tuple[Caller, Caller]
) -> None:
    ana, bob = callers
    clock = Clock()
    shown, hidden = ToolCall("1", "weather", "{}"), ToolCall("2", "search", "{}")
    before = (
        Message("assistant", tool_calls=(ToolCall("0", "look", "{}"),)),
        Message("tool", tool_call_id="0"),
    )
    result = Message("tool", (TextPart("found"),), tool_call_id="2", name="search")
    picture = Message("user", (TextPart("see"), ImagePart("data:x"), VideoPart("http://v.example/")))
    await PendingResults(database, clock_ms=clock).keep(
        ana, "bot", [shown], Hidden(before, (hidden,), (result, picture))
    )
    asked = Message("assistant", tool_calls=(shown,))
    answered = Message("tool", (TextPart("sunny"),), tool_call_id="1")
    go_on = Message.of_text("user", "and?")
    # Another process finds it as well.
    pending = PendingResults(database, clock_ms=clock)
    whole = (*before, Message("assistant", tool_calls=(hidden, shown)), result, answered, picture, go_on)
    assert await pending.put_back(ana, "bot", [asked, answered, go_on]) == (whole, True)
    assert await pending.put_back(bob, "bot", [asked]) == ((asked,), False)
    assert await pending.put_back(ana, "other", [asked]) == ((asked,), False)
    other = Message("assistant", tool_calls=(ToolCall("1", "weather", '{"city": 1}'),))
    assert await pending.put_back(ana, "bot", [other]) == ((other,), False), "ids alone may repeat"
    clock.now += DAY_MS + 1
    assert await pending.put_back(ana, "bot", [asked]) == ((asked,), False)


def trace(run_id: str, at: int, agent_id: str | None = "a") -> RunTrace:
    step = Step("tool", "search", 1, at, 12, "failed", "{}", 7, note="no such thing")
    return RunTrace(
        run_id,
        agent_id,
        "bot",
        "m",
        "openai",
        "api",
        None,
        "u1",
        at,
        at + 50,
        "answered",
        2,
        10,
        5,
        99,
        (step,),
    )


async def test_a_run_is_kept_whole_for_its_owner_and_dropped_in_time(
    database: Database, callers: tuple[Caller, Caller]
) -> None:
    ana, bob = callers
    clock = Clock()
    log = TraceLog(database, days=30, clock_ms=clock)
    first, second = trace("r1", clock.now), trace("r2", clock.now + 1, "b")
    await log.keep(ana, first)
    await log.keep(ana, second)
    assert await log.get(ana, "r1") == first
    assert [run.id for run in await log.select(ana, TraceFilter())] == ["r2", "r1"]
    assert [run.id for run in await log.select(ana, TraceFilter(agent_id="a"))] == ["r1"]
    assert await log.select(ana, TraceFilter(ended="cost")) == []
    assert await log.select(bob, TraceFilter()) == []
    with pytest.raises(NotFound):
        await log.get(bob, "r1")
    clock.now += 31 * DAY_MS
    await log.keep(ana, trace("r3", clock.now))
    assert [run.id for run in await log.select(ana, TraceFilter())] == ["r3"]
    with pytest.raises(NotFound):
        await log.get(ana, "r1")


async def test_a_call_is_asked_about_once_decided_once_and_used_once(
    database: Database, callers: tuple[Caller, Caller]
) -> None:
    ana, bob = callers
    approvals, elsewhere = Approvals(database, days=7), Approvals(database, days=7)
    asked = await approvals.ask(ana, WISH)
    assert (asked.state, asked.arguments, asked.reason) == ("pending", '{"sum":5}', "to settle it")
    assert await elsewhere.ask(ana, WISH) == asked, "the same call is the same question"
    with pytest.raises(NotFound):
        await elsewhere.decide(bob, asked.id, approve=True)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(approvals.decided(ana, asked, seconds=5))
        await elsewhere.decide(ana, asked.id, approve=True, note="fine")
    decided = waiting.result()
    assert (decided.state, decided.note) == ("approved", "fine")
    with pytest.raises(Conflict):
        await elsewhere.decide(ana, asked.id, approve=False)
    uses = [await approvals.use(ana, decided), await elsewhere.use(ana, decided)]
    assert uses == [True, False]
    again = await approvals.ask(ana, WISH)
    assert again.id != asked.id, "a used yes is no yes for the next time"
    assert [one.id for one in await approvals.select(ana, ApprovalFilter(state="pending"))] == [again.id]
    assert await approvals.select(bob, ApprovalFilter()) == []


async def test_what_nobody_decides_expires(database: Database, callers: tuple[Caller, Caller]) -> None:
    ana, _ = callers
    clock = Clock()
    approvals = Approvals(database, days=1, clock_ms=clock)
    asked = await approvals.ask(ana, WISH)
    assert (await approvals.decided(ana, asked, seconds=0.05)).state == "pending"
    clock.now += DAY_MS + 1
    assert (await approvals.get(ana, asked.id)).state == "expired"
    assert [one.id for one in await approvals.select(ana, ApprovalFilter(state="expired"))] == [asked.id]
    with pytest.raises(Conflict):
        await approvals.decide(ana, asked.id, approve=True)
