"""What programs find in each back end."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.adapters.sandboxes.folders import sweep
from dragoman.adapters.sandboxes.probing import Probed, probe
from dragoman.adapters.sandboxes.ranked import RankedSandboxes
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox import tree
from dragoman.domain.sandbox.ports import BackendReport, Limits, Outcome, Program, ShellCommand
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.processes import ChildPool
from sandbox_backends import NAMES, REAL, make_backend

Run = Callable[..., Awaitable[Outcome]]


def _greeting(calls: list[JsonObject]) -> dict[str, ShellCommand]:
    async def call(arguments: JsonObject) -> str:
        calls.append(arguments)
        if arguments.get("name") == "nobody":
            raise InvalidInput("Nobody cannot be greeted.")
        return f"hello {arguments.get('name')}"

    schema: JsonObject = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "text": {"type": "string"}, "loud": {"type": "boolean"}},
        "required": ["name"],
    }
    return {"greet": ShellCommand(ToolSpec("greet", "Greets somebody.", schema), call)}


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_command_line_works_on_the_files_of_the_workspace(run: Run, workspace: Path) -> None:
    (workspace / "data.csv").write_text("name,age\nann,3\nbob,4\n")

    outcome = await run("cut -d, -f2 data.csv | tail -n +2 | sort -r > ages; cat ages; echo done >&2; exit 3")

    assert outcome == Outcome("4\n3\ndone\n", 3)
    assert (workspace / "ages").read_text() == "4\n3\n"


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_files_of_the_server_can_be_changed_by_programs(run: Run, workspace: Path) -> None:
    folder = workspace / "folder"
    folder.mkdir()
    (folder / "file").write_text("old")

    await run("echo new > folder/file; echo x > folder/other; mv folder moved")

    assert (workspace / "moved" / "file").read_text() == "new\n"


@pytest.mark.parametrize("backend", ["bubblewrap", "nsjail", "simulated"], indirect=True)
async def test_the_workspace_is_the_home(run: Run) -> None:
    assert (await run("pwd; cd /; cd ~; pwd")).output == "/home/workspace\n/home/workspace\n"


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_nothing_of_the_server_environment_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_SECRET", "hidden-value")

    assert "hidden-value" not in (await run("env; export; set")).output


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_python_script_runs_in_the_workspace(run: Run, workspace: Path) -> None:
    text = "with open('made', 'w') as file:\n    file.write('x' * 3)\nprint(6 * 7)\n"

    outcome = await run("", program=Program(text, "python"))

    assert outcome == Outcome("42\n", 0)
    assert (workspace / "made").read_text() == "xxx"


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_an_error_of_a_python_script_is_shown(run: Run) -> None:
    outcome = await run("", program=Program("print('a')\nraise ValueError('what')\n", "python"))

    assert outcome.exit_code == 1
    assert "ValueError: what" in outcome.output


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_tool_is_a_command(run: Run) -> None:
    calls: list[JsonObject] = []
    commands = _greeting(calls)

    outcome = await run("greet --name ann | tr a-z A-Z; greet bob --loud && echo went", commands=commands)

    assert outcome == Outcome("HELLO ANN\nhello bob\nwent\n", 0)
    assert calls == [{"name": "ann"}, {"name": "bob", "loud": True}]


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_command_reads_its_standard_input(run: Run) -> None:
    calls: list[JsonObject] = []

    await run("printf 'one\\ntwo' | greet --name ann", commands=_greeting(calls))

    assert calls == [{"name": "ann", "text": "one\ntwo"}]


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_failed_command_writes_to_its_standard_error(run: Run) -> None:
    text = "greet nobody > out; echo code $?; cat out; greet --other x; echo code $?"

    outcome = await run(text, commands=_greeting([]))

    assert outcome.output == (
        "greet: Nobody cannot be greeted.\ncode 1\n"
        "greet: unknown option --other\nTry 'greet --help'.\ncode 2\n"
    )


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_a_command_tells_what_it_takes(run: Run) -> None:
    outcome = await run("greet --help", commands=_greeting([]))

    assert outcome.output.startswith("Usage: greet [options]\n\nGreets somebody.\n")
    assert "--loud" in outcome.output


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_a_command_can_be_called_by_a_program(run: Run) -> None:
    calls: list[JsonObject] = []
    text = "import subprocess; print(subprocess.run(['greet', 'x y\\'\"z'], capture_output=True, text=True).stdout)"

    outcome = await run("", commands=_greeting(calls), program=Program(text, "python"))

    assert outcome.output == "hello x y'\"z\n\n"


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_lies_on_the_way_to_the_server_come_to_nothing(run: Run, base: Path) -> None:
    (base / "secret").write_text("secret-text")
    calls: list[JsonObject] = []
    text = """
    folder=$(dirname $(dirname $(command -v greet)))
    cd $folder/calls
    echo 'call.../../../etc' > ../requests
    mkdir call.AAAAAAAAAA; ln -s SECRET call.AAAAAAAAAA/words; mkfifo call.AAAAAAAAAA/done
    echo call.AAAAAAAAAA > ../requests
    ln -s /etc call.BBBBBBBBBB; echo call.BBBBBBBBBB > ../requests
    mkdir call.CCCCCCCCCC; printf 'greet\\0ann\\0' > call.CCCCCCCCCC/words
    ln -s SECRET call.CCCCCCCCCC/answer; mkfifo call.CCCCCCCCCC/done; echo call.CCCCCCCCCC > ../requests
    mkdir call.DDDDDDDDDD; printf 'rm\\0-rf\\0' > call.DDDDDDDDDD/words; mkfifo call.DDDDDDDDDD/done
    exec 3<> call.DDDDDDDDDD/done; echo call.DDDDDDDDDD > ../requests; read -r code stream <&3; echo $code
    cd ~; greet still; echo x > $folder/bin/greet; greet there
    """.replace("SECRET", str(base / "secret"))

    outcome = await run(text, commands=_greeting(calls))

    lines = outcome.output.splitlines()
    assert "127" in lines
    assert "hello still" in lines
    assert "hello there" in lines
    assert "secret-text" not in outcome.output
    assert (base / "secret").read_text() == "secret-text"


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_a_command_that_still_works_is_cancelled_with_its_program(run: Run) -> None:
    cancelled = asyncio.Event()

    async def call(_arguments: JsonObject) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    command = ShellCommand(ToolSpec("wait", None, {"type": "object"}), call)
    outcome = await run(
        "waiting() { wait_for; }; timeout 1 wait_for; echo went on", commands={"wait_for": command}
    )

    assert outcome.output == "went on\n"
    assert cancelled.is_set()


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_nothing_of_a_run_is_left(run: Run, base: Path) -> None:
    await run("greet ann; echo x > /tmp/x", commands=_greeting([]))

    assert [path.name for path in (base / "runs").iterdir() if path.name != ".trash"] == []


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_programs_share_a_workspace_at_the_same_time(run: Run, workspace: Path) -> None:
    await asyncio.gather(*(run(f"for i in 1 2 3; do echo {n} > f{n}-$i; done") for n in range(6)))

    assert len(tree.listing(workspace, ())) == 18


@pytest.mark.parametrize("backend", REAL, indirect=True)
async def test_a_program_that_is_too_long_is_refused(run: Run) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        await run("echo " + "x" * 200_000)


@pytest.mark.parametrize("backend", NAMES, indirect=True)
async def test_the_self_test_is_passed(backend: Probed, base: Path) -> None:
    assert await probe(backend, base, real=backend.name != "simulated") is None


class _Leaky:
    """A shell without any walls."""

    name = "leaky"

    def missing(self) -> str | None:
        return None

    async def run(
        self, program: Program, workspace: Path, *, limits: Limits, commands: object = None
    ) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            program.text,
            cwd=workspace,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        stdout, _ = await process.communicate()
        return Outcome(stdout.decode(), process.returncode or 0)


async def test_the_self_test_finds_what_gets_out(base: Path) -> None:
    reason = await probe(_Leaky(), base, real=True)

    assert reason is not None
    for found in (
        "reads files",
        "follows links",
        "writes files",
        "network",
        "kills",
        "no bound on processes",
    ):
        assert found in reason


async def test_the_first_back_end_that_holds_is_chosen(base: Path, pool: ChildPool) -> None:
    ranked = RankedSandboxes([_Leaky(), make_backend("simulated", base, pool)], base)

    assert (await ranked.chosen()).name == "simulated"
    reports = await ranked.reports()
    assert [report.name for report in reports] == ["leaky", "simulated"]
    assert reports[1] == BackendReport("simulated", None)


async def test_without_a_back_end_that_holds_nothing_is_run(base: Path) -> None:
    ranked = RankedSandboxes([_Leaky()], base, [BackendReport("other", "sandbox.backend is leaky")])

    with pytest.raises(Unavailable, match="leaky: the self-test got out") as refused:
        await ranked.chosen()
    assert "other: sandbox.backend is leaky" in refused.value.detail


def test_what_killed_servers_left_behind_is_swept(base: Path) -> None:
    for name, age in (("old", 7200), ("new", 0)):
        (base / name / "deep").mkdir(parents=True)
        os.utime(base / name, (time.time() - age, time.time() - age))

    sweep(base, time.time() - 3600)

    assert [path.name for path in base.iterdir() if path.name != ".trash"] == ["new"]
