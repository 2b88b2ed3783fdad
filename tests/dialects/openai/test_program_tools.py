"""Shell, Python, JavaScript and inline workers of gateways, in a real server process."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.dialects.openai.gateway_server import Provider, World, calls, says
from tests.e2e.server import Server

SHELL = "/api/v1/shell/io"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    config = """
[models.local]
enabled = false
[egress]
allow = ["127.0.0.1"]
[embedding]
provider = "none"
"""
    folder = tmp_path_factory.mktemp("programs") / "data"
    with Server(folder, config=config) as server, server.client() as client:
        yield World(server, provider, client)
    provider.close()


def use(world: World, gateway: str, name: str, arguments: dict[str, Any], **body: Any) -> str:
    """What the model was given as the tool's result."""
    world.ask(gateway, plays=(calls((name, arguments)), says("Done.")), **body)
    last = world.provider.bodies[-1]["messages"][-1]
    assert last["role"] == "tool", last
    return str(last["content"])


def offered(world: World) -> list[str]:
    return [tool["function"]["name"] for tool in world.provider.bodies[0]["tools"]]


def test_what_a_persistent_shell_writes_is_seen_over_the_files_interface(world: World) -> None:
    gateway = world.gateway(enableBash=True, bashOptions={"allowDataPersistence": True})

    text = use(
        world, gateway, "shell", {"command": "pwd; printf 'a,1\\nb,2\\n' > t.csv; wc -l < t.csv"}, user="kim"
    )

    assert offered(world)[:2] == ["shell", "run_python"]
    assert text == "/home/workspace\n2"
    there = world.client.get(f"{SHELL}/file", params={"path": "t.csv"}, headers={"X-Shell-User-Id": "kim"})
    assert there.content == b"a,1\nb,2\n"
    other = world.client.get(f"{SHELL}/file", params={"path": "t.csv"}, headers={"X-Shell-User-Id": "lee"})
    assert other.status_code == 404

    world.client.post(
        f"{SHELL}/file", params={"path": "in/x.txt"}, headers={"X-Shell-User-Id": "kim"}, content=b"uploaded"
    )
    code = "print(open('in/x.txt').read(), sum(int(line.split(',')[1]) for line in open('t.csv')))"
    assert use(world, gateway, "run_python", {"code": code}, user="kim") == "uploaded 3"


@pytest.mark.parametrize(
    ("options", "user"),
    [(None, "kim"), ({"allowDataPersistence": False}, "kim"), ({"allowDataPersistence": True}, None)],
)
def test_without_persistence_nothing_stays(
    world: World, options: dict[str, Any] | None, user: str | None
) -> None:
    gateway = world.gateway(enableBash=True, bashOptions=options)
    body = {"user": user} if user else {}

    world.ask(
        gateway,
        plays=(
            calls(("shell", {"command": "echo 1 > f; ls"})),
            calls(("shell", {"command": "cat f; ls"})),
            says("Done."),
        ),
        **body,
    )
    results = [turn["content"] for turn in world.provider.bodies[-1]["messages"] if turn["role"] == "tool"]
    assert results[0].split() == ["f"]
    assert results[1] == "1\nf"
    assert use(world, gateway, "shell", {"command": "ls"}, **body) == "[no output]"


def test_a_moved_tool_is_a_command_with_help(world: World) -> None:
    gateway = world.gateway(
        enableBash=True,
        bashOptions={"toolList": ["evaluate_code"], "toolExclusionMode": "WhiteList"},
        builtinFunctionsOptions={},
        sentinelOptions={"enabledFunctions": ["Code"]},
    )

    helped = use(world, gateway, "shell", {"command": "evaluate_code --help"})
    assert "evaluate_code" not in offered(world)
    assert helped.startswith("Usage: evaluate_code [options]")
    assert "--code STRING" in helped
    assert use(world, gateway, "shell", {"command": "evaluate_code --code '6*7' | sed s/4/x/"}) == "x2"
    assert "cannot be parsed" in use(world, gateway, "shell", {"command": "evaluate_code 'let x = ;'"})


def test_all_but_the_listed_tools_move(world: World) -> None:
    gateway = world.gateway(
        enableBash=True,
        bashOptions={"toolList": ["open_url"], "toolExclusionMode": "BlackList"},
        sentinelOptions={"enabledFunctions": ["Code", "OpenUrl"]},
    )

    world.ask(gateway, plays=(says("Done."),))

    assert sorted(offered(world)) == ["open_url", "run_python", "shell"]


def test_tools_of_the_caller_cannot_be_moved(world: World) -> None:
    gateway = world.gateway(enableBash=True, bashOptions={"toolList": ["mine"]})
    tool = {"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}

    status, error = world.refused(gateway, tools=[tool])

    assert status == 400
    assert "mine" in error["message"]


def test_code_is_evaluated(world: World) -> None:
    gateway = world.gateway(sentinelOptions={"enabledFunctions": ["Code"]})

    assert use(world, gateway, "evaluate_code", {"code": "6*7"}) == "42"
    text = use(world, gateway, "evaluate_code", {"code": "typeof fetch + ' ' + typeof require"})
    assert text == "undefined undefined"
    assert "ReferenceError" in use(world, gateway, "evaluate_code", {"code": "fetch('http://127.0.0.1/')"})


def _worker(body: str) -> str:
    return (
        "export default { async fetch(request, env) { const { event } = await request.json(); "
        + body
        + " } }"
    )


def test_an_inline_worker_rewrites_what_the_model_sees(world: World) -> None:
    action = """
    const data = { rewrites: [{ type: "add-system", message: `Call them ${env.NAME}, ${event.data.externalUserId}.` }] };
    return new Response(JSON.stringify({ type: event.name + ".response", data }),
      { headers: { "Content-Type": "application/json+worker-action" } });
    """
    gateway = world.gateway(
        workerScriptSource=_worker(action), additionalSettings={"workerEnv": {"NAME": "captain"}}
    )

    world.ask(gateway, plays=(says("Aye."),), user="kim")

    assert any("Call them captain, kim." in str(text) for role, text in world.sent() if role == "system")


def test_an_inline_worker_answers_for_a_tool_also_in_the_shell(world: World) -> None:
    action = """
    if (event.name !== "tool.called" || event.data.toolName !== "evaluate_code") return new Response("go on");
    return new Response(JSON.stringify({ type: "tool.called.response", data: { result: "from the worker", messages: [] } }),
      { headers: { "Content-Type": "application/json+worker-action" } });
    """
    gateway = world.gateway(
        enableBash=True,
        bashOptions={"toolList": ["evaluate_code"]},
        sentinelOptions={"enabledFunctions": ["Code"]},
        workerScriptSource=_worker(action),
    )

    text = use(world, gateway, "shell", {"command": "evaluate_code --code 1"})

    assert text == "from the worker"


@pytest.mark.parametrize(
    "script",
    [
        _worker("return new Response('no', { status: 403 });"),
        _worker("throw new Error('broken');"),
        "export default {}",
    ],
)
def test_an_inline_worker_that_refuses_or_fails_stops_the_message(world: World, script: str) -> None:
    status, error = world.refused(world.gateway(workerScriptSource=script))

    assert status == 403
    assert "worker" in json.dumps(error)
    assert world.provider.bodies == []
