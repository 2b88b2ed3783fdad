"""What agents do with tools, seen from the client, the provider, and the user's own servers."""

import json
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest
from tests.dialects.openai.gateway_server import KEY, Play, Provider, World, calls, chunks, content, says
from tests.dialects.openai.own_server import ORDER, OwnServer, Reply
from tests.e2e.server import Server

ACTION = "application/json+worker-action"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    config = f"""
[models]
default = "house"
[models.local]
enabled = false
[models.providers.theirs]
base_url = "{provider.origin}/v1"
api_key = "{KEY}"
models = ["house"]
[egress]
allow = ["127.0.0.1"]
[agents]
approval_whole_seconds = 0.2
approval_stream_seconds = 20
[chat]
ping_seconds = 0.3
"""
    with (
        Server(tmp_path_factory.mktemp("tools") / "data", config=config) as server,
        server.client() as client,
    ):
        yield World(server, provider, client)
    provider.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    made = OwnServer()
    yield made
    made.close()


@pytest.fixture
def own(own_server: OwnServer) -> OwnServer:
    own_server.answers.clear()
    own_server.asked.clear()
    return own_server


def function(own: OwnServer, path: str = "/orders", name: str = "find_order") -> dict[str, Any]:
    return {
        "name": name,
        "description": "Finds an order",
        "headers": {"X-Team": "sales"},
        "callbackUrl": own.origin + path,
        "contentFormat": ORDER,
    }


def tool_results(world: World, number: int = -1) -> list[str]:
    return [text for role, text in world.sent(number) if role == "tool"]


def salt(world: World) -> str:
    return str(world.client.get("/api/v1/accounts/api-key").json()["salt"])


def act(*rewrites: dict[str, Any]) -> Reply:
    action = {"type": "message.received.response", "data": {"rewrites": list(rewrites)}}
    return Reply(json.dumps(action), headers={"content-type": ACTION})


def test_a_function_is_called_back_with_arguments_context_headers_and_a_valid_nonce(
    world: World, own: OwnServer
) -> None:
    own.answers["/orders"] = lambda body: Reply("  Order A1 is on its way.\n")
    gateway = world.gateway(protocolFunctions=[function(own)])
    answer = world.ask(
        gateway,
        "where is A1?",
        plays=(calls(("find_order", {"order_id": "A1"})), says("On its way.")),
        user="ana",
        metadata={"tenant": "t1"},
        idempotency_key="c1",
    )
    assert content(answer) == "On its way."
    ((_, headers, body),) = own.asked
    assert body["type"] == "tool_call"
    assert body["function"] == {"name": "find_order", "content": {"order_id": "A1"}}
    context = body["context"]
    assert (context["externalUserId"], context["metadata"]) == ("ana", {"tenant": "t1"})
    assert (context["callSource"], context["conversationToken"]) == ("ChatCompletionsApi", "c1")
    assert context["moment"].endswith("+00:00")
    assert headers["x-team"] == "sales"
    nonce = headers["x-request-nonce"]
    assert nonce.startswith("$2a$")
    assert bcrypt.checkpw(salt(world).encode(), nonce.encode())
    assert tool_results(world) == ["  Order A1 is on its way.\n"]
    tool = world.provider.bodies[0]["tools"][0]["function"]
    assert "callbackUrl" not in json.dumps(tool)
    assert "sales" not in json.dumps(tool)


def test_after_the_salt_is_rolled_the_old_secret_no_longer_verifies(world: World, own: OwnServer) -> None:
    secret = salt(world)

    def checked(body: dict[str, Any]) -> Reply:
        nonce = own.asked[-1][1]["x-request-nonce"].encode()
        return Reply("A1 is paid.") if bcrypt.checkpw(secret.encode(), nonce) else Reply("who?", 401)

    own.answers["/orders"] = checked
    gateway = world.gateway(protocolFunctions=[function(own)])
    plays = (calls(("find_order", {"order_id": "A1"})), says("ok"))
    world.ask(gateway, plays=plays)
    assert tool_results(world) == ["A1 is paid."]
    assert world.client.post("/api/v1/accounts/roll-salt").status_code == 200
    world.ask(gateway, plays=plays)
    assert tool_results(world) == ["Error: The tool could not be carried out: the service behind it failed."]
    secret = salt(world)
    world.ask(gateway, plays=plays)
    assert tool_results(world) == ["A1 is paid."]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply("stack trace with a secret", 500), "the service behind it failed"),
        (Reply("", 302, {"location": "http://169.254.169.254/"}), "the service behind it failed"),
        (Reply("", 307, {"location": "http://127.0.0.2:1/"}), "the service behind it failed"),
        (Reply(b"x" * 1_100_000), "larger than allowed"),
        (Reply("x", 200, {"content-encoding": "gzip"}), "compressed"),
    ],
)
def test_a_callback_that_misbehaves_is_an_error_that_tells_nothing(
    world: World, own: OwnServer, reply: Reply, told: str
) -> None:
    own.answers["/orders"] = lambda body: reply
    gateway = world.gateway(protocolFunctions=[function(own)])
    answer = world.ask(gateway, plays=(calls(("find_order", {"order_id": "A1"})), says("Sorry.")))
    assert content(answer) == "Sorry."
    (result,) = tool_results(world)
    assert told in result
    assert "secret" not in result


def test_a_redirect_to_the_same_server_is_followed_and_bytes_are_text(world: World, own: OwnServer) -> None:
    own.answers["/orders"] = lambda body: Reply("", 307, {"location": "/moved"})
    own.answers["/moved"] = lambda body: Reply(b"\xff\xfe caf\xc3\xa9", 200, {"content-type": "text/plain"})
    gateway = world.gateway(protocolFunctions=[function(own)])
    world.ask(gateway, plays=(calls(("find_order", {"order_id": "A1"})), says("ok")))
    assert "café" in tool_results(world)[0]
    assert own.asked_at("/moved")[0]["function"]["name"] == "find_order"


def test_invalid_arguments_never_reach_the_callback(world: World, own: OwnServer) -> None:
    gateway = world.gateway(protocolFunctions=[function(own)])
    world.ask(gateway, plays=(calls(("find_order", {"order_id": "a b"})), says("ok")))
    assert own.asked == []
    assert "does not match" in tool_results(world)[0]


def test_a_source_of_functions_is_listed_once_for_ten_minutes(world: World, own: OwnServer) -> None:
    listed = {"functions": [function(own)]}
    own.answers["/list"] = lambda body: Reply(json.dumps(listed))
    own.answers["/orders"] = lambda body: Reply("found")
    gateway = world.gateway(protocolFunctionSources=[own.origin + "/list"])
    for _ in range(2):
        world.ask(gateway, plays=(calls(("find_order", {"order_id": "A1"})), says("ok")))
        assert tool_results(world) == ["found"]
    lists = [headers for path, headers, _ in own.asked if path == "/list"]
    assert len(lists) == 1
    assert lists[0]["x-request-nonce"].startswith("$2a$")


@pytest.mark.parametrize(
    "reply", [Reply("no", 500), Reply("{"), Reply('{"functions": [{"name": "x"}]}'), Reply("[]")]
)
def test_a_source_that_cannot_be_read_fails_the_inference(world: World, own: OwnServer, reply: Reply) -> None:
    path = f"/bad-{abs(hash(str(reply.body)))}"
    own.answers[path] = lambda body: reply
    gateway = world.gateway(protocolFunctionSources=[own.origin + path])
    status, error = world.refused(gateway)
    assert (status, error["code"]) == (502, "function_source_failed")
    assert world.provider.bodies == []


def test_two_tools_of_one_name_in_a_request_are_refused(world: World, own: OwnServer) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    gateway = world.gateway(protocolFunctions=[function(own)])
    status, error = world.refused(gateway, tools=[tool, tool])
    assert (status, error["code"], error["param"]) == (400, "duplicate_tool", "tools")
    assert "'look'" in error["message"]
    assert world.provider.bodies == []


def test_one_name_from_two_places_is_refused_and_names_both(world: World, own: OwnServer) -> None:
    own.answers["/twice"] = lambda body: Reply(json.dumps({"functions": [function(own)]}))
    gateway = world.gateway(
        protocolFunctions=[function(own)], protocolFunctionSources=[own.origin + "/twice"]
    )
    status, error = world.refused(gateway)
    assert (status, error["code"]) == (400, "duplicate_tool")
    assert "'find_order'" in error["message"]
    assert "the agent's function" in error["message"]
    assert "the function source at 127.0.0.1" in error["message"]


def test_a_worker_stops_rewrites_and_answers(world: World, own: OwnServer) -> None:
    own.answers["/orders"] = lambda body: Reply("from the shop")
    gateway = world.gateway(
        workerScriptSource=own.origin + "/worker",
        protocolFunctions=[function(own)],
        systemInstruction="Be kind.",
    )
    own.answers["/worker"] = lambda body: Reply("no", 403)
    status, error = world.refused(gateway, user="eve")
    assert (status, error["code"], world.provider.bodies) == (403, "worker_rejected", [])
    event = own.asked_at("/worker")[0]
    assert (event["gatewayId"], event["event"]["name"]) == (gateway, "message.received")
    assert len(event["moment"]) == len("2025-12-29T17:04:39")
    data = event["event"]["data"]
    assert (data["origin"], data["externalUserId"], data["metadata"]) == ("ChatCompletionsApi", "eve", {})
    assert data["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
    ]

    def rewriting(body: dict[str, Any]) -> Reply:
        if body["event"]["name"] == "tool.called":
            assert body["event"]["data"]["toolArguments"] == {"order_id": "A1"}
            answer = {"result": "the worker's word", "messages": [{"role": "user", "content": "P.S."}]}
            return Reply(
                json.dumps({"type": "tool.called.response", "data": answer}), headers={"content-type": ACTION}
            )
        tool = {"type": "function", "function": {"name": "extra", "parameters": {"type": "object"}}}
        return act(
            {"type": "add-system", "message": "Answer in verse."},
            {"type": "remove-message", "index": 1},
            {"type": "add-message", "message": {"role": "user", "content": "rewritten"}},
            {"type": "add-tool", "tool": tool},
            {"type": "add-protocol-tool", "tool": function(own, name="second_order")},
        )

    own.answers["/worker"] = rewriting
    answer = world.ask(gateway, plays=(calls(("find_order", {"order_id": "A1"})), says("So be it.")))
    assert content(answer) == "So be it."
    first = world.sent(0)
    assert "Be kind.\n\nAnswer in verse." in first[0][1]
    assert [text for role, text in first if role == "user"] == ["rewritten"]
    names = [tool["function"]["name"] for tool in world.provider.bodies[0]["tools"]]
    assert names == ["find_order", "second_order", "extra"]
    assert own.asked_at("/orders") == []
    assert world.sent(1)[-2:] == [("tool", "the worker's word"), ("user", "P.S.")]
    run = world.client.get(f"/api/v1/runs/{answer['generation_context']['run']['id']}").json()
    worker = [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "worker"]
    assert worker == [("message.received", "rewritten"), ("tool.called", "answered")]


def test_a_worker_can_clear_everything(world: World, own: OwnServer) -> None:
    gateway = world.gateway(
        workerScriptSource=own.origin + "/worker",
        protocolFunctions=[function(own)],
        systemInstruction="Be kind.",
    )
    message = {"role": "user", "content": "only this"}
    own.answers["/worker"] = lambda body: act({"type": "clear"}, {"type": "add-message", "message": message})
    world.ask(gateway, plays=(says("ok"),))
    assert world.sent() == [("user", "only this")]
    assert "tools" not in world.provider.bodies[0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply("{", headers={"content-type": ACTION}),
        Reply('{"type": "other"}', headers={"content-type": ACTION}),
        act({"type": "unheard-of"}),
        act({"type": "remove-message", "index": "x"}),
        Reply("", 302, {"location": "http://127.0.0.1:1/"}),
    ],
)
def test_a_worker_that_answers_nonsense_has_not_allowed_anything(
    world: World, own: OwnServer, reply: Reply
) -> None:
    own.answers["/worker"] = lambda body: reply
    gateway = world.gateway(workerScriptSource=own.origin + "/worker")
    assert world.refused(gateway)[0] == 403
    assert world.provider.bodies == []


def test_an_unreachable_worker_stops_and_one_that_stops_a_tool_lets_the_model_go_on(
    world: World, own: OwnServer
) -> None:
    gateway = world.gateway(workerScriptSource="http://127.0.0.1:9/worker")
    assert world.refused(gateway)[0] == 403
    own.answers["/worker"] = lambda body: Reply(
        "", 200 if body["event"]["name"] == "message.received" else 403
    )
    gateway = world.gateway(workerScriptSource=own.origin + "/worker", protocolFunctions=[function(own)])
    answer = world.ask(gateway, plays=(calls(("find_order", {"order_id": "A1"})), says("Not allowed.")))
    assert content(answer) == "Not allowed."
    assert "was not allowed" in tool_results(world)[0]
    assert own.asked_at("/orders") == []


def test_in_a_chat_a_refusal_is_a_polite_text(world: World, own: OwnServer) -> None:
    own.answers["/worker"] = lambda body: Reply("", 403)
    gateway = world.gateway(workerScriptSource=own.origin + "/worker")
    chats = "/api/v1/web-chat-client"
    chat = world.client.post(chats, json={"name": "c", "aiGatewayId": gateway}).json()["id"]
    key = world.client.post(f"{chats}/{chat}/sessions", json={"tag": "ana"}).json()["accessKey"]
    answered = world.client.post(f"/api/v1/public/chat-clients/{key}/prompt", json={"prompt": "hi"})
    assert answered.json()["completionText"] == "I can't help with this request."
    data = own.asked_at("/worker")[0]["event"]["data"]
    assert data["origin"] == "WebChatClient"
    assert data["externalUserId"].startswith("ana")


def test_skills_are_listed_opened_and_bring_their_tools(world: World, own: OwnServer) -> None:
    own.answers["/rules"] = lambda body: Reply("Refund within 14 days.")
    own.answers["/orders"] = lambda body: Reply("found")
    source = {"name": "rules", "url": own.origin + "/rules"}
    for slug, tools in (("refunds", ["find_order"]), ("greetings", [])):
        made = world.client.post(
            "/api/v1/skills",
            json={
                "slug": slug,
                "description": f"When it is about {slug}",
                "instructions": f"Do {slug} well.",
                "options": {
                    "allowedToolsNames": tools,
                    "instructionSources": [source] if slug == "refunds" else [],
                },
            },
        )
        assert made.status_code == 200, made.text
    gateway = world.gateway(
        skills=["refunds", "greetings"],
        hideToolsWithoutSkill=True,
        protocolFunctions=[function(own), function(own, name="always_there")],
        alwaysVisibleTools=["always_there"],
        systemInstruction="Be kind.",
    )
    plays = (
        calls(("find_order", {"order_id": "A1"})),
        calls(("read_skill", {"slugs": ["refunds"]})),
        calls(("find_order", {"order_id": "A1"})),
        calls(("read_skill", {"slugs": "greetings"})),
        says("Done."),
    )
    answer = world.ask(gateway, plays=plays)
    assert content(answer) == "Done."
    names = [[tool["function"]["name"] for tool in body["tools"]] for body in world.provider.bodies]
    assert names[0] == names[1] == ["read_skill", "always_there"]
    assert names[2] == names[3] == ["read_skill", "find_order", "always_there"]
    assert names[4] == ["read_skill", "always_there"]
    assert "There is no tool 'find_order'" in tool_results(world, 1)[0]
    system = [world.sent(number)[0][1] for number in range(5)]
    assert system[0].startswith("Be kind.\n\n")
    assert "- refunds: When it is about refunds" in system[0]
    assert "<activated_skill>" not in system[1]
    assert "<activated_skill>" in system[2]
    assert "Do refunds well.\n\nRefund within 14 days.\n</activated_skill>" in system[2]
    assert "Do greetings well." in system[4]
    assert "Do refunds well." not in system[4], "a later call replaces the open skills"
    assert len([path for path, _, _ in own.asked if path == "/rules"]) == 1
    assert len(own.asked_at("/orders")) == 1


def test_an_agent_remembers_a_person_until_it_is_made_to_forget(world: World) -> None:
    gateway = world.gateway(sentinelOptions={"enabledFunctions": ["Remember"]})
    wish = {"memoryData": "Wants to be called Ana", "retentionDays": 60}
    plays = (calls(("memory_save", wish)), says("I will, Ana."))
    world.ask(gateway, "call me Ana", plays=plays, user="cust-42@session1")
    assert "Saved with the id" in tool_results(world)[0]
    world.ask(gateway, plays=(says("Hello Ana!"),), user="cust-42@session2")
    system = world.sent()[0][1]
    assert "Wants to be called Ana" in system
    assert "Keep nothing sensitive" in system
    world.ask(gateway, plays=(says("Hello."),), user="other")
    assert "Ana" not in world.sent()[0][1]
    (kept,) = world.client.get("/api/v1/memories?filter=cust-42").json()
    assert (kept["content"], kept["format"]) == ("Wants to be called Ana", "Text")
    steps = (
        calls(("memory_search", {"query": "called"})),
        calls(("memory_update", {"id": kept["id"], "memoryData": "Is called Anna"})),
        calls(("memory_remove", {"id": "another's"})),
        says("ok"),
    )
    world.ask(gateway, plays=steps, user="cust-42@session3")
    found, changed, refused = tool_results(world)
    assert "Wants to be called Ana" in found
    assert changed == f"Updated {kept['id']}."
    assert "There is no entry with the id" in refused
    assert world.client.delete(f"/api/v1/memories?id={kept['id']}").status_code == 200
    world.ask(gateway, plays=(says("Hello."),), user="cust-42@session4")
    assert "called" not in world.sent()[0][1]


def test_all_memories_leave_nothing_to_search_and_nobody_has_none(world: World) -> None:
    gateway = world.gateway(
        sentinelOptions={"enabledFunctions": ["Remember"]},
        builtinFunctionsOptions={"includeAllMemoryContext": True},
    )
    saves = calls(*(("memory_save", {"memoryData": f"fact {number}"}) for number in range(12)))
    world.ask(gateway, plays=(saves, says("ok")), user="bo")
    world.ask(gateway, plays=(says("ok"),), user="bo")
    assert sum(f"fact {number}" in world.sent()[0][1] for number in range(12)) == 12
    names = [tool["function"]["name"] for tool in world.provider.bodies[0]["tools"]]
    assert names == ["memory_save", "memory_update", "memory_remove", "memory_clear"]
    world.ask(gateway, plays=(calls(("memory_save", {"memoryData": "x"})), says("Whose?")))
    assert "Nobody in particular" in tool_results(world)[0]
    world.ask(gateway, plays=(calls(("memory_clear", {})), says("Gone.")), user="bo")
    assert tool_results(world) == ["Removed 12 memories."]


def test_a_calendar_is_kept_as_reminders(world: World) -> None:
    gateway = world.gateway(sentinelOptions={"enabledFunctions": ["Calendar"]})
    plays = (
        calls(
            ("calendar_create", {"title": "Dentist", "date": "2030-02-03T09:00:00+00:00"}),
            ("calendar_create", {"title": "Tax", "date": "2030-05-31", "notes": "bring papers"}),
            ("calendar_create", {"title": "Never", "date": "soon"}),
        ),
        calls(("calendar_find", {"from": "2030-05-01", "to": "2030-06-01"})),
        calls(("calendar_search", {"query": "dentist"})),
        says("ok"),
    )
    world.ask(gateway, plays=plays, user="cy")
    told = tool_results(world)
    assert "'soon' is no date" in told[2]
    assert "Tax" in told[3]
    assert "Dentist" not in told[3]
    entry = told[4][1:37]
    kept = world.client.get("/api/v1/memories?filter=cy&format=DateReminder").json()
    assert len(kept) == 2
    changes = (
        calls(("calendar_update", {"id": entry, "date": "2030-02-04"})),
        calls(("calendar_delete", {"id": entry})),
        says("ok"),
    )
    world.ask(gateway, plays=changes, user="cy")
    assert tool_results(world) == [f"Updated {entry}.", f"Deleted {entry}."]
    assert len(world.client.get("/api/v1/memories?filter=cy&format=DateReminder").json()) == 1


def approvals(world: World, state: str = "pending") -> list[dict[str, Any]]:
    return list(world.client.get(f"/api/v1/approvals?state={state}").json())


def test_a_call_waits_for_a_person_and_goes_on_in_the_same_stream(world: World, own: OwnServer) -> None:
    own.answers["/orders"] = lambda body: Reply("refunded")
    gateway = world.gateway(
        protocolFunctions=[function(own, name="refund_order")], toolApprovals={"names": ["refund_*"]}
    )
    plays = (calls(("refund_order", {"order_id": "A1"})), says("Done."))
    world.provider.forget()
    world.provider.plays.extend(plays)
    body = {"model": gateway, "stream": True, "messages": [{"role": "user", "content": "refund A1"}]}
    lines: list[str] = []
    with world.client.stream("POST", "/v1/chat/completions", json=body) as response:
        run_id = response.headers["x-run-id"]
        for line in response.iter_lines():
            lines.append(line)
            if '"Waiting"' in line:
                (waiting,) = approvals(world)
                assert (waiting["tool"], waiting["risk"], waiting["runId"]) == (
                    "refund_order",
                    "outside",
                    run_id,
                )
                assert json.loads(waiting["arguments"]) == {"order_id": "A1"}
                assert own.asked == []
                decided = world.client.post(f"/api/v1/approvals/{waiting['id']}/approve", json={"note": "go"})
                assert decided.json()["state"] == "approved"
    rows = [chunk["servertool"]["state"] for chunk in chunks(lines) if "servertool" in chunk]
    assert rows == ["Created", "Waiting", "Running", "Completed"]
    assert len(own.asked_at("/orders")) == 1
    assert [one["state"] for one in approvals(world, "used")] == ["used"]
    run = world.client.get(f"/api/v1/runs/{run_id}").json()
    assert [step["state"] for step in run["steps"] if step["kind"] == "approval"] == ["approved"]


def test_an_answer_that_cannot_wait_says_so_and_the_conversation_goes_on(
    world: World, own: OwnServer
) -> None:
    own.answers["/orders"] = lambda body: Reply("refunded")
    gateway = world.gateway(protocolFunctions=[function(own)], toolApprovals={"risks": ["outside"]})
    wish = calls(("find_order", {"order_id": "B2"}))
    world.ask(gateway, plays=(wish, says("It waits for approval.")))
    assert "waits for a person's approval" in tool_results(world)[0]
    (waiting,) = approvals(world)
    assert world.client.get(f"/api/v1/approvals/{waiting['id']}").json() == waiting
    assert world.client.post(f"/api/v1/approvals/{waiting['id']}/approve").status_code == 200
    assert world.client.post(f"/api/v1/approvals/{waiting['id']}/reject").status_code == 409
    world.ask(gateway, plays=(wish, says("Done.")))
    assert tool_results(world) == ["refunded"]
    world.ask(gateway, plays=(wish, says("Again it waits.")))
    (again,) = approvals(world)
    world.client.post(f"/api/v1/approvals/{again['id']}/reject", json={"note": "too much"})
    world.ask(gateway, plays=(wish, says("No.")))
    assert "A person declined this call" in tool_results(world)[0]
    assert "too much" in tool_results(world)[0]
    assert len(own.asked_at("/orders")) == 1


def test_approvals_and_runs_are_their_owners(world: World) -> None:
    world.server.command("users", "create", "--email", "bo@example.org", "--json")
    key = json.loads(world.server.command("keys", "create", "--email", "bo@example.org", "--json").stdout)[
        "key"
    ]
    mine = world.client.get("/api/v1/runs?limit=1").json()[0]["id"]
    decided = world.client.get("/api/v1/approvals?limit=1").json()[0]["id"]
    with world.server.client(key) as other:
        assert other.get("/api/v1/runs").json() == []
        assert other.get("/api/v1/approvals").json() == []
        assert other.get(f"/api/v1/runs/{mine}").status_code == 404
        assert other.get(f"/api/v1/approvals/{decided}").status_code == 404
        assert other.post(f"/api/v1/approvals/{decided}/approve").status_code == 404
        assert other.post("/api/v1/approvals/x/approve").status_code == 400
    assert world.client.get("/api/v1/approvals?state=odd").status_code == 400
    wrong = world.client.post(f"/api/v1/approvals/{decided}/approve", json={"note": 5})
    assert (wrong.status_code, wrong.json()["details"]["path"]) == (400, "note")


def test_every_answer_names_its_run_and_the_run_tells_its_steps(world: World) -> None:
    gateway = world.gateway(sentinelOptions={"enabledFunctions": ["Remember"]})
    world.provider.forget()
    world.provider.plays.extend((calls(("memory_serch", {"query": "x"})), says("ok")))
    answer = world.post(gateway, user="dee")
    run_id = answer.headers["x-run-id"]
    assert answer.json()["generation_context"]["run"] == {"id": run_id, "ended": "answered"}
    run = world.client.get(f"/api/v1/runs/{run_id}").json()
    assert (run["gatewayId"], run["externalUserId"], run["rounds"]) == (gateway, "dee", 2)
    kinds = [(step["kind"], step["name"], step["state"]) for step in run["steps"]]
    assert kinds == [
        ("model", "theirs", "completed"),
        ("tool", "memory_serch", "failed"),
        ("model", "theirs", "completed"),
    ]
    assert "did you mean 'memory_search'?" in tool_results(world)[0]
    listed = world.client.get(f"/api/v1/runs?gatewayId={gateway}").json()
    assert [one["id"] for one in listed] == [run_id]
    assert "steps" not in listed[0]


def test_a_stopped_provider_still_leaves_a_trace(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    status, _ = world.refused(gateway, plays=(Play(status=400),))
    assert status >= 400
    run = world.client.get(f"/api/v1/runs?gatewayId={gateway}").json()[0]
    assert run["ended"] == "failed"
    unknown = world.client.get("/api/v1/runs?ended=sideways")
    assert (unknown.status_code, unknown.json()["details"]["path"]) == (400, "ended")
