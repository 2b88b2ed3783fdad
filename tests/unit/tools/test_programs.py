"""The shell, Python and JavaScript as tools of an agent."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dragoman.adapters.isolates.v8 import V8Isolate
from dragoman.adapters.sandboxes.ranked import RankedSandboxes
from dragoman.adapters.tools.code import CodeSource
from dragoman.adapters.tools.outcomes import in_words
from dragoman.adapters.tools.programs import ProgramSource
from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.model import Bounds
from dragoman.domain.sandbox.ports import Limits, Outcome
from dragoman.domain.sandbox.programs import ProgramRunner
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.tools.catalogue import check_apart
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.domain.tools.moving import move_into_shell
from dragoman.domain.tools.spec import ShellOptions, ToolsSpec
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.processes import ChildPool
from dragoman.kit.tasks import TaskOwner
from sandbox_backends import make_backend, open_base

_CALLER = Caller("org", "user-1", 1, "ann@example.org", "owner")


@dataclass(slots=True)
class _Parts:
    service: SandboxService
    source: ProgramSource
    tasks: TaskOwner
    folder: Path


@pytest.fixture
def base() -> Generator[Path]:
    with open_base() as folder:
        yield folder


@pytest.fixture(params=["bubblewrap", "simulated"])
async def parts(
    request: pytest.FixtureRequest, base: Path, sqlite_database: Database
) -> AsyncGenerator[_Parts]:
    pool, tasks = ChildPool(size=2, memory_mb=256, idle_seconds=30, name="shell"), TaskOwner()
    folder = base / "workspaces"
    service = SandboxService(sqlite_database, folder, Bounds(1 << 20, 1 << 24))
    ranked = RankedSandboxes([make_backend(request.param, base, pool)], base)
    runner = ProgramRunner(ranked, service, tasks, limits=Limits(wall_seconds=20), at_once=2)
    yield _Parts(service, ProgramSource(runner), tasks, folder)
    await tasks.close()
    await pool.close()


def _scope(*, persistent: bool | None = None, person: str | None = "kim", shell: bool = True) -> ToolScope:
    options = None if persistent is None else ShellOptions(persistent=persistent)
    return ToolScope(
        caller=_CALLER,
        agent_id="agent",
        agent_name="Agent",
        tools=ToolsSpec(shell=shell, shell_options=options),
        charge=lambda _item, _quantity, _description: None,
        person=person,
    )


async def _shell(parts: _Parts, scope: ToolScope, command: str) -> str:
    tools = await parts.source.tools(scope)
    return (await tools[0].call({"command": command})).text


async def _read(parts: _Parts, user: str, path: str) -> bytes:
    opened = await parts.service.open(_CALLER, user, path)
    return b"".join([piece async for piece in opened.pieces()])


async def test_only_agents_with_a_shell_have_the_tools(parts: _Parts) -> None:
    assert await parts.source.tools(_scope(shell=False)) == []
    tools = await parts.source.tools(_scope())
    assert [tool.spec.name for tool in tools] == ["shell", "run_python"]
    check_apart(tools)


async def test_what_the_shell_keeps_is_seen_by_the_files_interface_and_the_other_way_round(
    parts: _Parts,
) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"a,1\nb,2\n"

    await parts.service.put(_CALLER, "kim", "data/in.csv", pieces())
    scope = _scope(persistent=True)

    text = await _shell(parts, scope, "cut -d, -f2 data/in.csv > data/out.txt; cat data/out.txt")

    assert text == "1\n2"
    assert await _read(parts, "kim", "/home/workspace/data/out.txt") == b"1\n2\n"
    assert await _shell(parts, _scope(persistent=True), "ls data") == "in.csv\nout.txt"


async def test_people_do_not_see_each_other(parts: _Parts) -> None:
    await _shell(parts, _scope(persistent=True), "echo x > mine")

    assert await _shell(parts, _scope(persistent=True, person="lee"), "ls") == "[no output]"


@pytest.mark.parametrize(
    "scope",
    [_scope(), _scope(persistent=False), _scope(persistent=True, person=None)],
    ids=["never asked for", "switched off", "nobody known"],
)
async def test_without_persistence_a_run_has_a_workspace_of_its_own(parts: _Parts, scope: ToolScope) -> None:
    tools = await parts.source.tools(scope)
    await tools[0].call({"command": "echo 6 > f"})
    script = await tools[1].call({"code": "print(int(open('/home/workspace/f').read()) * 7)"})

    assert script.text == "42"
    assert await _shell(parts, scope, "ls") == "[no output]"
    assert await parts.service.listing(_CALLER, "kim", "/") == []


async def test_a_workspace_of_a_run_goes_with_it(parts: _Parts) -> None:
    tools = await parts.source.tools(_scope())
    await tools[0].call({"command": "echo 6 > f"})
    temporary = parts.folder / _CALLER.user_id / ".temporary"
    assert len(_names(temporary)) == 1

    del tools
    gc.collect()
    await _discarded()

    assert _names(temporary) == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != ".trash"]


async def _discarded() -> None:
    await asyncio.sleep(0)
    discarding = [task for task in asyncio.all_tasks() if task.get_name() == "sandbox.discard"]
    assert len(discarding) == 1
    await asyncio.gather(*discarding)


async def test_how_a_command_ended_is_said(parts: _Parts) -> None:
    assert await _shell(parts, _scope(), "echo a; exit 3") == "a\n[exit code 3]"
    assert await _shell(parts, _scope(), "true") == "[no output]"


async def test_links_planted_by_commands_lead_the_files_interface_nowhere(parts: _Parts) -> None:
    await _shell(
        parts, _scope(persistent=True), "ln -s /etc e; ln -s /etc/passwd p; ln -s ../../../.. up; echo x > f"
    )

    entries = await parts.service.listing(_CALLER, "kim", "/")

    assert [entry.name for entry in entries] == ["f"]
    for path in ("e/passwd", "p", "up/etc/passwd"):
        with pytest.raises(Exception, match="not found"):
            await parts.service.open(_CALLER, "kim", path)


@dataclass(slots=True)
class _Tool:
    name: str
    calls: list[JsonObject] = field(default_factory=list)
    risk: Risk = "read"
    owner: str = "a test"

    @property
    def spec(self) -> ToolSpec:
        schema: JsonObject = {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }
        return ToolSpec(self.name, "Tells the weather.", schema)

    async def call(self, arguments: JsonObject) -> ToolResult:
        self.calls.append(arguments)
        return ToolResult(f"sunny in {arguments['city']}")


async def test_a_moved_tool_is_a_command_with_help(parts: _Parts) -> None:
    weather, other = _Tool("get_weather"), _Tool("other")
    options = ShellOptions(tools=("get_weather",))

    tools = move_into_shell([*await parts.source.tools(_scope()), weather, other], options)

    assert [tool.spec.name for tool in tools] == ["shell", "run_python", "other"]
    assert "get_weather" in (tools[0].spec.description or "")
    helped = await tools[0].call({"command": "get_weather --help"})
    called = await tools[0].call({"command": "get_weather --city Oslo | tr a-z A-Z"})
    assert helped.text.startswith("Usage: get_weather [options]\n\nTells the weather.")
    assert called.text == "SUNNY IN OSLO"
    assert weather.calls == [{"city": "Oslo"}]


class _Shell(_Tool):
    def holding(self, tools: Sequence[ServerTool]) -> ServerTool:
        return _Shell("shell", calls=[{"held": tool.spec.name} for tool in tools])


@pytest.mark.parametrize(
    ("options", "seen", "held"),
    [
        (None, ["shell", "a", "b", "read_skill"], []),
        (ShellOptions(), ["shell", "a", "b", "read_skill"], []),
        (ShellOptions(tools=("a", "unknown")), ["shell", "b", "read_skill"], ["a"]),
        (ShellOptions(tools=("shell", "read_skill")), ["shell", "a", "b", "read_skill"], []),
        (ShellOptions(tools=("a",), moves="unlisted"), ["shell", "a", "read_skill"], ["b"]),
        (ShellOptions(moves="unlisted"), ["shell", "read_skill"], ["a", "b"]),
    ],
)
def test_the_options_say_what_moves(options: ShellOptions | None, seen: list[str], held: list[str]) -> None:
    tools = move_into_shell([_Shell("shell"), _Tool("a"), _Tool("b"), _Tool("read_skill")], options)

    assert [tool.spec.name for tool in tools] == seen
    shell = tools[0]
    assert isinstance(shell, _Shell)
    assert [call["held"] for call in shell.calls] == held


def test_without_a_shell_nothing_moves() -> None:
    tools = move_into_shell([_Tool("a")], ShellOptions(tools=("a",)))

    assert [tool.spec.name for tool in tools] == ["a"]


def test_tools_of_the_caller_cannot_be_moved() -> None:
    with pytest.raises(InvalidInput, match="cannot be moved into the shell: mine"):
        move_into_shell([_Shell("shell")], ShellOptions(tools=("mine",)), client_names=["mine"])


async def test_without_a_sandbox_the_tool_says_so(sqlite_database: Database, tmp_path: Path) -> None:
    tasks = TaskOwner()
    service = SandboxService(sqlite_database, tmp_path, Bounds(1 << 20, 1 << 24))
    runner = ProgramRunner(RankedSandboxes([], tmp_path), service, tasks, limits=Limits(), at_once=1)
    tools = await ProgramSource(runner).tools(_scope())

    with pytest.raises(Unavailable, match="no sandbox on this server"):
        await tools[0].call({"command": "ls"})
    await tasks.close()


@pytest.mark.parametrize("arguments", [{}, {"command": " "}, {"command": 5}])
async def test_a_missing_command_is_refused(parts: _Parts, arguments: JsonObject) -> None:
    tools = await parts.source.tools(_scope())
    with pytest.raises(InvalidInput):
        await tools[0].call(arguments)


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Outcome("x" * 5000, 0), "\n[output cut: 968 characters are left out]"),
        (Outcome("x" * 4096, 0), "xxx"),
        (Outcome("x", 0, cut=True), "x\n[output cut: 0 or more characters are left out]"),
        (Outcome("x\n", 137, "time"), "x\n[stopped: it took too long]"),
        (Outcome("", 137, "memory"), "[stopped: it needed more memory than it may have]"),
    ],
)
def test_outcomes_are_said_in_few_words(outcome: Outcome, end: str) -> None:
    text = in_words(outcome)

    assert text.endswith(end)
    assert len(text) <= 4096


@pytest.fixture
async def code(anyio_backend: str) -> AsyncGenerator[Callable[..., object]]:
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=30, name="script")
    source = CodeSource(V8Isolate(pool, memory_bytes=64 << 20), seconds=5)

    async def offered(*names: str) -> Sequence[ServerTool]:
        scope = _scope()
        return await source.tools(
            ToolScope(
                caller=scope.caller,
                agent_id=None,
                agent_name="Agent",
                tools=ToolsSpec(builtin=names),
                charge=scope.charge,
            )
        )

    yield offered
    await pool.close()


async def test_code_is_evaluated_for_agents_that_have_the_function(
    code: Callable[..., "object"],
) -> None:
    assert await code("open_url") == []  # type: ignore[misc]
    (tool,) = await code("code")  # type: ignore[misc]

    assert tool.spec.name == "evaluate_code"
    assert (await tool.call({"code": "6*7"})).text == "42"
    assert (await tool.call({"code": "console.log('a'); typeof fetch + typeof require"})).text == (
        "undefinedundefined\nConsole:\na"
    )
