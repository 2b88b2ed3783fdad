"""The loop of model and tools: whatever the model does, it ends, says how, and every failure is something to read."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.unit.agents.loop import Tool, bench, calls, echo, gives, says

from dragoman.adapters.models.scripted import ScriptedCall, Turn
from dragoman.domain.agents.limits import RunLimits
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.inference.ports import ModelProfile, ToolChoice
from dragoman.domain.inference.pricing import PriceTable, TokenPrice
from dragoman.domain.messages.events import Attached, TextDelta, ToolCallDelta, ToolRun
from dragoman.domain.messages.parts import ImagePart, ToolSpec
from dragoman.domain.tools.model import ToolResult
from dragoman.domain.tools.spec import ToolsSpec
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

WEATHER = ToolSpec("weather", "The weather.", {"type": "object"})


async def test_a_result_reaches_the_model_and_the_steps_are_told(tmp_path: Path) -> None:
    work = bench(tmp_path, [calls(("echo", '{"text": "hi"}')), says("Done.")], echo())
    events = await work.events()
    states = [event.state for event in events if isinstance(event, ToolRun)]
    assert states == ["created", "running", "completed"]
    assert work.results() == ["heard hi"]
    assert (work.report.ended, work.trace.ended, work.trace.rounds) == ("answered", "answered", 2)
    kinds = [(step.kind, step.name, step.round, step.state) for step in work.trace.steps]
    assert kinds == [
        ("model", "scripted", 1, "completed"),
        ("tool", "echo", 1, "completed"),
        ("model", "scripted", 2, "completed"),
    ]
    assert (work.trace.steps[1].arguments, work.trace.steps[1].bytes) == ('{"text":"hi"}', 8)
    assert "is data" in work.system(), "what tools give is marked as data"


async def test_independent_calls_run_side_by_side_and_keep_their_order(tmp_path: Path) -> None:
    both = asyncio.Barrier(2)

    async def work(arguments: JsonObject) -> ToolResult:
        await both.wait()
        return ToolResult(str(arguments["text"]))

    tool = Tool("meet", work)
    wishes = calls(("meet", '{"text": "a"}'), ("meet", '{"text": "b"}'))
    run = bench(tmp_path, [wishes, says("ok")], tool)
    await run.answer()
    assert run.results() == ["a", "b"]


async def test_calls_that_change_something_run_one_after_the_other(tmp_path: Path) -> None:
    running, most = 0, 0

    async def work(arguments: JsonObject) -> ToolResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return ToolResult("done")

    tool = Tool("write", work, "write")
    wishes = calls(*(("write", f'{{"text": "{name}"}}') for name in "abc"))
    await bench(tmp_path, [wishes, says("ok")], tool).answer()
    assert [one["text"] for one in tool.calls] == ["a", "b", "c"]
    assert most == 1


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ('{"text": "hi", "times": "3"}', {"text": "hi", "times": 3}),
        ('{"text": "hi",}', {"text": "hi"}),
        ("{'text': 'hi'}", {"text": "hi"}),
        ('```json\n{"text": "hi"}\n```', {"text": "hi"}),
        ('"{\\"text\\": \\"hi\\"}"', {"text": "hi"}),
        ('{"text": "hi"', {"text": "hi"}),
    ],
)
async def test_slips_in_arguments_are_mended(tmp_path: Path, written: str, given: JsonObject) -> None:
    tool = echo()
    run = bench(tmp_path, [calls(("echo", written)), says("ok")], tool)
    await run.answer()
    assert tool.calls == [given]
    assert "mended" in run.trace.steps[1].note


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{broken", "not valid JSON"),
        ('{"text": ', "break off"),
        ('{"text": "delete ever', "break off"),
        ("[1]", "must be a JSON object"),
        ("{}", "'text' is a required property"),
        ('{"text": 5}', "5 is not of type 'string'"),
        ('{"text": "a", "times": 0}', "0 is less than the minimum of 1"),
        ('{"text": "a", "more": 1}', "'more' was unexpected"),
    ],
)
async def test_invalid_arguments_never_reach_the_tool(tmp_path: Path, written: str, told: str) -> None:
    tool = echo()
    run = bench(tmp_path, [calls(("echo", written)), says("Sorry.")], tool)
    answer = await run.answer()
    assert (tool.calls, answer.text) == ([], "Sorry.")
    assert told in run.results()[0]
    assert answer.tool_runs[0].state == "failed"


async def test_a_schema_that_nobody_can_use_does_not_shut_the_tool_off(tmp_path: Path) -> None:
    tool = echo(parameters={"type": "nonsense", "properties": 5})
    run = bench(tmp_path, [calls(("echo", '{"text": "x"}')), says("ok")], tool)
    await run.answer()
    assert run.results() == ["heard x"]


async def test_an_unknown_tool_is_answered_with_the_near_one(tmp_path: Path) -> None:
    run = bench(tmp_path, [calls(("ecco", '{"text": "x"}')), says("ok")], echo())
    await run.answer(tools=(WEATHER,))
    assert "There is no tool 'ecco' here; did you mean 'echo'?" in run.results()[0]


async def test_failures_are_results(tmp_path: Path) -> None:
    async def refuses(arguments: JsonObject) -> ToolResult:
        raise InvalidInput("no such order")

    async def breaks(arguments: JsonObject) -> ToolResult:
        raise KeyError("secret detail")

    async def sleeps(arguments: JsonObject) -> ToolResult:
        await asyncio.sleep(60)
        return ToolResult("never")

    tools = [Tool("refuses", refuses), Tool("breaks", breaks), Tool("sleeps", sleeps)]
    wishes = calls(*((tool.name, '{"text": "x"}') for tool in tools))
    run = bench(tmp_path, [wishes, says("I see.")], *tools, limits=RunLimits(tool_seconds=0.05))
    answer = await run.answer()
    assert (answer.text, answer.finish_reason) == ("I see.", "stop")
    told = run.results()
    assert told[0] == "Error: no such order"
    assert told[1] == "Error: the tool failed."
    assert "did not answer within" in told[2]


async def test_endless_repetition_is_noticed_and_stopped(tmp_path: Path) -> None:
    tool = gives("look", "nothing new")
    run = bench(tmp_path, [calls(("look", '{"text": "x"}'))] * 24, tool)
    answer = await run.answer()
    assert len(tool.calls) == 3
    assert "made this same call several times" in run.results()[-1]
    assert (run.report.ended, len(run.model.requests)) == ("repetition", 7)
    assert (answer.finish_reason, "again and again" in answer.text) == ("length", True)


async def test_the_same_call_with_new_results_is_no_repetition(tmp_path: Path) -> None:
    count = 0

    async def work(arguments: JsonObject) -> ToolResult:
        nonlocal count
        count += 1
        return ToolResult(f"{count}%")

    tool = Tool("progress", work)
    run = bench(tmp_path, [*[calls(("progress", '{"text": "x"}'))] * 8, says("Done.")], tool)
    assert (await run.answer()).text == "Done."
    assert count == 8


async def test_a_model_that_never_stops_calling_is_made_to_answer(tmp_path: Path) -> None:
    wishes = [calls(("echo", f'{{"text": "{number}"}}')) for number in range(30)]
    wishes[3] = says("Enough: three.")
    run = bench(tmp_path, wishes, echo(), limits=RunLimits(rounds=4))
    answer = await run.answer()
    assert (answer.text, answer.finish_reason, run.report.ended) == ("Enough: three.", "stop", "rounds")
    last = run.model.requests[-1]
    assert last.tool_choice == ToolChoice("none")
    assert "No further tool can be called" in run.system()


async def test_a_model_that_calls_tools_even_then_ends_with_a_clear_word(tmp_path: Path) -> None:
    wishes = [calls(("echo", f'{{"text": "{number}"}}')) for number in range(30)]
    run = bench(tmp_path, wishes, echo(), limits=RunLimits(rounds=3))
    answer = await run.answer()
    assert (answer.finish_reason, run.report.ended, len(run.model.requests)) == ("length", "rounds", 3)
    assert answer.text == "I could not finish this: the limit of tool rounds for one answer is reached."


async def test_long_output_is_cut_with_a_mark_and_in_all(tmp_path: Path) -> None:
    tool = gives("dump", "x" * 5000)
    wishes = [calls(("dump", f'{{"text": "{number}"}}')) for number in range(9)]
    run = bench(tmp_path, wishes, tool, limits=RunLimits(tool_characters=2000, run_characters=5000))
    await run.answer()
    told = run.results()
    assert told[0] == "x" * 2000 + "\n[cut here: 2000 of 5000 characters are shown]"
    assert told[2].startswith("x" * 1000 + "\n[cut here: 1000 of")
    assert run.report.ended == "output"
    assert len(run.model.requests) == 4


async def test_time_and_cost_are_bounds(tmp_path: Path) -> None:
    async def slow(arguments: JsonObject) -> ToolResult:
        await asyncio.sleep(60)
        return ToolResult("never")

    wish = calls(("slow", '{"text": "x"}'))
    run = bench(tmp_path / "a", [wish, says("Late.")], Tool("slow", slow), limits=RunLimits(run_seconds=0.1))
    answer = await run.answer()
    assert (answer.text, run.report.ended) == ("Late.", "time")
    prices = PriceTable({"scripted": TokenPrice(1e6, 1e6)})
    run = bench(
        tmp_path / "b",
        [calls(("echo", '{"text": "x"}'))],
        echo(),
        limits=RunLimits(run_usd=0.5),
        prices=prices,
    )
    answer = await run.answer()
    assert (answer.finish_reason, run.report.ended, len(run.model.requests)) == ("length", "cost", 1)
    assert run.trace.cost_micro_usd > 500_000


async def test_a_client_that_leaves_stops_the_tool(tmp_path: Path) -> None:
    stopped, begun = asyncio.Event(), asyncio.Event()

    async def work(arguments: JsonObject) -> ToolResult:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return ToolResult("never")

    run = bench(tmp_path, [calls(("work", '{"text": "x"}'))], Tool("work", work))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(run.events())
        await begun.wait()
        task.cancel()
        await stopped.wait()
        await run.traces.some.wait()
    assert run.trace.ended == "cancelled"


async def test_pictures_go_to_a_model_that_sees_and_are_told_to_one_that_does_not(tmp_path: Path) -> None:
    async def work(arguments: JsonObject) -> ToolResult:
        return ToolResult("a plot", parts=(ImagePart("data:a"),), attachments=(ImagePart("data:b"),))

    for images in (True, False):
        run = bench(
            tmp_path / str(images),
            [calls(("plot", '{"text": "x"}')), says("See?")],
            Tool("plot", work),
            profile=ModelProfile(images=images),
        )
        events = await run.events()
        assert [event.parts for event in events if isinstance(event, Attached)] == [(ImagePart("data:b"),)]
        shown = [part for turn in run.model.requests[-1].messages for part in turn.parts]
        assert (ImagePart("data:a") in shown) is images
        assert ("which you cannot look at" in run.results()[0]) is not images
        assert ImagePart("data:b") not in shown


async def test_a_call_written_as_text_is_a_call_when_the_tool_is_known(tmp_path: Path) -> None:
    wishes = (
        '{"name": "echo", "arguments": {"text": "1"}}',
        'I will look.\n```json\n{"tool": "echo", "parameters": {"text": "2"}}\n```',
        '<tool_call>\n{"name": "echo", "arguments": "{\\"text\\": \\"3\\"}"}\n</tool_call>',
    )
    tool = echo()
    run = bench(tmp_path, [*map(says, wishes), says("Done.")], tool)
    events = await run.events()
    assert [one["text"] for one in tool.calls] == ["1", "2", "3"]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == "I will look.\nDone."


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ana", "arguments": {"text": "1"}}',
        'Use {"name": "echo"} in ``` fences.\n```json\n{"a": 1}\n```\nand { so on.',
        '```python\nprint({"name": "echo"})\n```',
        '{"name": "echo", "arguments": {"text"',
        "<tool_call is a word",
        "{",
    ],
)
async def test_what_only_looks_like_a_call_stays_text(tmp_path: Path, text: str) -> None:
    tool = echo()
    assert (await bench(tmp_path, [says(text)], tool).answer()).text == text
    assert tool.calls == []


async def test_a_caller_gets_calls_written_as_text_as_well(tmp_path: Path) -> None:
    run = bench(tmp_path, [says('{"name": "weather", "arguments": {"city": "Lviv"}}')])
    answer = await run.answer(tools=(WEATHER,))
    assert (answer.finish_reason, answer.tool_calls[0].name) == ("tool_calls", "weather")


async def test_a_model_without_tools_is_asked_for_a_call_as_json_until_it_is_one(tmp_path: Path) -> None:
    profile = ModelProfile(tools=False)
    right = '{"name": "echo", "arguments": {"text": "x"}}'
    turns = [says("I cannot."), says('{"name": "echo", "arguments": {}}'), says(right), says("Done.")]
    tool = echo()
    run = bench(tmp_path, turns, tool, profile=profile)
    answer = await run.answer(tool_choice=ToolChoice("required"))
    assert (answer.text, tool.calls) == ("Done.", [{"text": "x"}])
    first, _, third, last = run.model.requests
    assert first.response_format is not None
    assert "'text' is a required property" in third.messages[-1].text
    assert (last.tools, last.tool_choice) == ((), None)
    assert "[Result of echo" in last.messages[-1].text
    run = bench(tmp_path / "b", [says("no")] * 3, tool, profile=profile)
    assert (await run.answer(tool_choice=ToolChoice("function", "echo"))).text == "no"


@pytest.mark.parametrize("choice", [ToolChoice("function", "nobody"), ToolChoice("function", "shell")])
async def test_a_call_of_a_tool_that_is_not_offered_cannot_be_demanded(
    tmp_path: Path, choice: ToolChoice
) -> None:
    run = bench(tmp_path, [says("never")], echo())
    with pytest.raises(InvalidInput, match=f"{choice.function!r}, which is not among") as raised:
        await run.answer(tool_choice=choice, tools=(WEATHER,))
    assert (raised.value.param, run.model.requests) == ("tool_choice", [])


async def test_a_model_that_calls_though_no_call_is_wanted_is_not_let(tmp_path: Path) -> None:
    tool = echo()
    wish = Turn(text="Here.", tool_calls=(ScriptedCall(name="echo", arguments='{"text": "x"}'),))
    answer = await bench(tmp_path, [wish, says("never")], tool).answer(tool_choice=ToolChoice("none"))
    assert (answer.text, answer.tool_calls, answer.finish_reason, tool.calls) == ("Here.", (), "stop", [])


async def test_a_call_cannot_be_demanded_where_there_is_no_tool(tmp_path: Path) -> None:
    run = bench(tmp_path, [says("never")])
    with pytest.raises(InvalidInput, match="no tool is offered"):
        await run.answer(tool_choice=ToolChoice("required"))
    assert (await bench(tmp_path / "b", [says("ok")]).answer(tool_choice=ToolChoice("auto"))).text == "ok"


async def test_calls_of_both_kinds_are_sorted(tmp_path: Path) -> None:
    both = calls(("echo", '{"text": "x"}'), ("weather", "{}"))
    tool = echo()
    run = bench(tmp_path, [both], tool)
    events = await run.events(tools=(WEATHER,))
    assert [event.name for event in events if isinstance(event, ToolCallDelta)] == ["weather"]
    assert (len(tool.calls), run.report.ended) == (1, "client_tools")


async def test_old_results_are_forgotten_within_an_answer(tmp_path: Path) -> None:
    wishes = [calls(("echo", f'{{"text": "{number}"}}')) for number in range(3)]
    run = bench(tmp_path, [*wishes, says("ok")], echo())
    await run.answer(AgentSpec(model="scripted", tool_context_count=1))
    marker = "[tool response truncated - call this tool again]"
    assert run.results() == [marker, marker, "heard 2"]


async def test_reasons_are_asked_for_told_and_kept_from_the_tool(tmp_path: Path) -> None:
    wish = '{"text": "x", "_tool_reason": "to see", "_tool_goal": "the end"}'
    tool = echo()
    run = bench(tmp_path, [calls(("echo", wish)), says("ok")], tool)
    events = await run.events(AgentSpec(model="scripted", tools=ToolsSpec(explain=True)))
    first = next(event for event in events if isinstance(event, ToolRun))
    assert (first.reason, first.goal, tool.calls) == ("to see", "the end", [{"text": "x"}])


async def test_the_loop_itself_costs_little(tmp_path: Path) -> None:
    rounds = 20
    wishes = [calls(("echo", f'{{"text": "{number}"}}')) for number in range(rounds)]
    run = bench(tmp_path, [*wishes, says("ok")], echo())
    began = time.process_time()
    await run.answer()
    spent_ms = 1000 * (time.process_time() - began) / rounds
    assert spent_ms < 5, f"{spent_ms:.1f} ms a round, model and tool included"


async def test_a_crowd_of_calls_is_carried_out_in_part(tmp_path: Path) -> None:
    wish = Turn(
        tool_calls=tuple(
            ScriptedCall(name="echo", arguments=f'{{"text": "{number}"}}', id=str(number))
            for number in range(50)
        )
    )
    tool = echo()
    run = bench(tmp_path, [wish, says("ok")], tool, limits=RunLimits(calls_a_turn=5))
    await run.answer()
    assert (len(tool.calls), len(run.results())) == (5, 50)
    assert "at most 5 calls" in run.results()[-1]
