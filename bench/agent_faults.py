"""Plants faults in a model and tells how the loop of model and tools ends: ``python bench/agent_faults.py``.

Each case is a model that does one thing wrong, once or for ever. Exits with 1 when a case does not end in time, ends
otherwise than it must, or fails.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

import structlog  # noqa: E402
from tests.unit.agents.loop import Tool, bench, calls, echo, gives, says  # noqa: E402

from dragoman.adapters.models.scripted import Turn  # noqa: E402
from dragoman.domain.agents.limits import RunLimits  # noqa: E402
from dragoman.domain.tools.model import ToolResult  # noqa: E402
from dragoman.kit.errors import InvalidInput  # noqa: E402
from dragoman.kit.jsontypes import JsonObject  # noqa: E402

BOUND_SECONDS = 10.0
MANY = 60
LIMITS = RunLimits(tool_seconds=0.2, run_seconds=60, tool_characters=2000, run_characters=10_000)


@dataclass(frozen=True)
class Case:
    """A model's turns, and how a run with it must end. ``reached``: how many calls may get to a tool."""

    fault: str
    turns: Sequence[Turn]
    ends: str
    reached: int


@dataclass
class Ended:
    """How a case came to its end."""

    fault: str
    ended: str
    finish: str
    turns: int
    calls: int
    seconds: float
    text: str
    held: bool


async def _fails(arguments: JsonObject) -> ToolResult:
    raise InvalidInput("no such order")


async def _breaks(arguments: JsonObject) -> ToolResult:
    raise RuntimeError("a bug in the tool")


async def _hangs(arguments: JsonObject) -> ToolResult:
    await asyncio.sleep(3600)
    return ToolResult("never")


def tools() -> list[Tool]:
    """The tools of every case."""
    return [
        echo(),
        gives("dump", "x" * 100_000),
        Tool("fails", _fails),
        Tool("breaks", _breaks),
        Tool("hangs", _hangs),
    ]


def _numbered(name: str) -> list[Turn]:
    return [calls((name, f'{{"text": "{number}"}}')) for number in range(MANY)]


def _alternating() -> list[Turn]:
    return [calls((("echo", "fails")[number % 2], '{"text": "x"}')) for number in range(MANY)]


HI = '{"text": "hi"}'
CASES = (
    Case("no fault", [calls(("echo", HI)), says("Done.")], "answered", 1),
    Case("wrong name, once", [calls(("ecko", HI)), calls(("echo", HI)), says("Done.")], "answered", 1),
    Case("wrong name, for ever", _numbered("ecko"), "rounds", 0),
    Case("unknown tool, for ever", [calls(("launch", HI))] * MANY, "repetition", 0),
    Case("broken JSON that can be mended", [calls(("echo", "{'text': 'hi',")), says("Done.")], "answered", 1),
    Case("broken JSON, for ever", [calls(("echo", "{{{ nothing"))] * MANY, "repetition", 0),
    Case("arguments of the wrong kind", [calls(("echo", '{"text": 5}')), says("Done.")], "answered", 0),
    Case("the same call, for ever", [calls(("echo", HI))] * MANY, "repetition", 3),
    Case("two calls in turn, for ever", _alternating(), "repetition", 6),
    Case("ever new calls", _numbered("echo"), "rounds", 24),
    Case("fifty calls at once", [calls(*([("echo", HI)] * 50)), says("Done.")], "repetition", 3),
    Case("huge output, for ever", _numbered("dump"), "output", 5),
    Case("a tool that fails", [calls(("fails", HI)), says("Sorry.")], "answered", 1),
    Case("a tool with a bug", [calls(("breaks", HI)), says("Sorry.")], "answered", 1),
    Case("a tool that hangs", [calls(("hangs", HI)), says("Sorry.")], "answered", 1),
    Case("tools that hang, for ever", _numbered("hangs"), "rounds", 24),
    Case(
        "calls as text", [says('{"name": "echo", "arguments": {"text": "hi"}}'), says("Done.")], "answered", 1
    ),
    Case("half a call as text", [says('<tool_call>{"name": "echo", "argu')], "answered", 0),
    Case("nothing at all", [Turn()], "answered", 0),
)


async def play(case: Case, folder: Path) -> Ended:
    """How the case ends."""
    made = tools()
    run = bench(folder, case.turns, *made, limits=LIMITS)
    began = time.monotonic()
    async with asyncio.timeout(BOUND_SECONDS):
        answer = await run.answer()
    reached = sum(len(tool.calls) for tool in made)
    ended = run.report.ended
    return Ended(
        case.fault,
        ended,
        answer.finish_reason,
        len(run.model.requests),
        reached,
        round(time.monotonic() - began, 2),
        answer.text[:60],
        held=ended == case.ends and reached == case.reached and len(run.model.requests) <= LIMITS.rounds,
    )


async def main(*, as_json: bool) -> int:
    """Plays all cases and prints how they ended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        results = [await play(case, Path(folder) / str(number)) for number, case in enumerate(CASES)]
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        row = "{:32} {:11} {:7} {:>5} {:>5} {:>7}  {:5} {}"
        print(row.format("fault", "ended", "finish", "turns", "calls", "seconds", "held", "text"))
        for one in results:
            held = "yes" if one.held else "NO"
            print(
                row.format(
                    one.fault, one.ended, one.finish, one.turns, one.calls, one.seconds, held, one.text
                )
            )
    return 0 if all(result.held for result in results) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    sys.exit(asyncio.run(main(as_json=parser.parse_args().json)))
