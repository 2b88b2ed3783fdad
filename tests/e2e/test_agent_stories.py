"""Whole days of agents that act: business functions, a policy gate, memories, a data worker with shell, MCP and print."""

import json
import re
from collections.abc import Iterator
from typing import Any

import bcrypt
import httpx
import pytest
from tests.dialects.openai.gateway_server import Play, Provider, World, calls, content, says
from tests.dialects.openai.own_server import ORDER, OwnServer, Reply
from tests.e2e.server import Server

from mcp_process import mcp_server

CSV = b"city,amount\nLviv,120\nOdesa,80\nLviv,30\n"
ACTION = {"content-type": "application/json+worker-action"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    config = (
        '[models.local]\nenabled = false\n[egress]\nallow = ["127.0.0.1"]\n[embedding]\nprovider = "none"\n'
    )
    folder = tmp_path_factory.mktemp("agents") / "data"
    with Server(folder, config=config) as server, server.client() as client:
        yield World(server, provider, client)
    provider.close()


@pytest.fixture
def own() -> Iterator[OwnServer]:
    made = OwnServer()
    yield made
    made.close()


def results(world: World, number: int = -1) -> list[str]:
    return [text for role, text in world.sent(number) if role == "tool"]


def visitor(world: World, gateway: str, tag: str) -> str:
    """The address of a new chat session of somebody."""
    chats = "/api/v1/web-chat-client"
    chat = world.client.post(chats, json={"name": "Shop", "aiGatewayId": gateway}).json()["id"]
    made = world.client.post(f"{chats}/{chat}/sessions", json={"tag": tag})
    return f"/api/v1/public/chat-clients/{made.json()['accessKey']}"


def prompt(world: World, address: str, text: str, *plays: Play) -> dict[str, Any]:
    world.provider.forget()
    world.provider.plays.extend(plays)
    with httpx.Client(base_url=world.server.base, trust_env=False, timeout=60) as anybody:
        answer = anybody.post(f"{address}/prompt", json={"prompt": text})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_shop_acts_through_its_own_functions_until_its_secret_is_stale(
    world: World, own: OwnServer
) -> None:
    secret = world.client.get("/api/v1/accounts/api-key").json()["salt"]
    stock = {"A1": "on its way"}

    def guarded(body: dict[str, Any]) -> Reply:
        nonce = own.asked[-1][1]["x-request-nonce"]
        if not bcrypt.checkpw(secret.encode(), nonce.encode()):
            return Reply("forged", 401)
        order = body["function"]["content"]["order_id"]
        if body["function"]["name"] == "cancel_order":
            stock.pop(order)
            return Reply(f"Order {order} is cancelled.")
        return Reply(f"Order {order} is {stock.get(order, 'not known; ask for the number again')}.")

    own.answers["/orders"] = guarded
    functions = [
        {"name": name, "description": name, "callbackUrl": own.origin + "/orders", "contentFormat": ORDER}
        for name in ("find_order", "cancel_order")
    ]
    gateway = world.gateway(protocolFunctions=functions)
    find = calls(("find_order", {"order_id": "A1"}))
    answer = world.ask(gateway, "where is order A1?", plays=(find, says("It is on its way.")))
    assert content(answer) == "It is on its way."
    assert results(world) == ["Order A1 is on its way."]
    steps = (calls(("cancel_order", {"order_id": "A1"})), find, says("Cancelled."))
    world.ask(gateway, "cancel it", plays=steps)
    assert results(world) == ["Order A1 is cancelled.", "Order A1 is not known; ask for the number again."]
    assert world.client.post("/api/v1/accounts/roll-salt").status_code == 200
    world.ask(gateway, plays=(find, says("Something is wrong with the shop.")))
    assert "the service behind it failed" in results(world)[0]
    secret = world.client.get("/api/v1/accounts/api-key").json()["salt"]
    world.ask(gateway, plays=(find, says("ok")))
    assert "not known" in results(world)[0]


def test_a_gate_blocks_strangers_informs_about_others_and_answers_for_a_tool(
    world: World, own: OwnServer
) -> None:
    subscribers = {"ana": "gold", "bo": "silver"}

    def gate(body: dict[str, Any]) -> Reply:
        event, data = body["event"]["name"], body["event"]["data"]
        plan = subscribers.get((data["externalUserId"] or "").partition("@")[0])
        if plan is None:
            return Reply("no subscription", 403)
        if event == "message.received":
            rewrite = {"type": "add-system", "message": f"The user has the {plan} plan."}
            told = {"type": "message.received.response", "data": {"rewrites": [rewrite]}}
            return Reply(json.dumps(told), headers=ACTION)
        if data["toolName"] == "find_order" and plan == "silver":
            told = {"type": "tool.called.response", "data": {"result": "Only gold customers see orders."}}
            return Reply(json.dumps(told), headers=ACTION)
        return Reply("")

    own.answers["/gate"] = gate
    own.answers["/orders"] = lambda body: Reply("on its way")
    function = {
        "name": "find_order",
        "description": "Finds an order",
        "callbackUrl": own.origin + "/orders",
        "contentFormat": ORDER,
    }
    gateway = world.gateway(workerScriptSource=own.origin + "/gate", protocolFunctions=[function])
    find = calls(("find_order", {"order_id": "A1"}))
    refused = prompt(world, visitor(world, gateway, "eve"), "hi")
    assert refused["completionText"] == "I can't help with this request."
    assert world.provider.bodies == []
    prompt(world, visitor(world, gateway, "ana"), "where is A1?", find, says("On its way."))
    assert "The user has the gold plan." in world.sent(0)[0][1]
    assert results(world) == ["on its way"]
    prompt(world, visitor(world, gateway, "bo"), "where is A1?", find, says("Sorry."))
    assert results(world) == ["Only gold customers see orders."]
    assert len(own.asked_at("/orders")) == 1
    runs = world.client.get(f"/api/v1/runs?gatewayId={gateway}").json()
    assert [run["ended"] for run in runs] == ["answered", "answered", "rejected"]
    steps = world.client.get(f"/api/v1/runs/{runs[2]['id']}").json()["steps"]
    assert [step["note"] for step in steps] == ["the worker answered with status 403"]


def test_what_a_customer_said_is_known_next_day_until_the_shop_forgets_it(world: World) -> None:
    gateway = world.gateway(sentinelOptions={"enabledFunctions": ["Remember"]})
    save = calls(("memory_save", {"memoryData": "Wants to be called Ana", "retentionDays": 365}))
    prompt(world, visitor(world, gateway, "cust-42"), "call me Ana", save, says("Gladly, Ana."))
    greeted = prompt(world, visitor(world, gateway, "cust-42"), "hello", says("Hello Ana!"))
    assert greeted["completionText"] == "Hello Ana!"
    assert "Wants to be called Ana" in world.sent()[0][1]
    prompt(world, visitor(world, gateway, "cust-43"), "hello", says("Hello."))
    assert "Ana" not in world.sent()[0][1]
    (kept,) = world.client.get("/api/v1/memories?filter=cust-42").json()
    gone = world.client.delete(f"/api/v1/memories?externalUserId={kept['externalUserId']}&format=Text").json()
    assert gone["removedCount"] == 1
    prompt(world, visitor(world, gateway, "cust-42"), "hello", says("Hello."))
    assert "Ana" not in world.sent()[0][1]


def test_a_table_becomes_a_printed_report(world: World) -> None:
    who = {"X-Shell-User-Id": "kim"}
    sent = world.client.post("/api/v1/shell/io/file?path=sales.csv", content=CSV, headers=who)
    assert sent.status_code == 200
    with mcp_server("http") as url:
        gateway = world.gateway(
            enableBash=True,
            bashOptions={"allowDataPersistence": True, "toolList": ["add"], "toolExclusionMode": "WhiteList"},
            mcpSources=[{"name": "sample", "url": url}],
            sentinelOptions={"enabledFunctions": ["GenerateDocument"]},
        )
        summing = (
            "awk -F, 'NR>1 {sum[$1]+=$2} END {for (city in sum) print city, sum[city]}' sales.csv | sort > sums.txt; "
            "add --a 150 --b 80 > total.txt; cat sums.txt total.txt"
        )
        page = {"html": "<h1>Sales</h1><p>Lviv 150, Odesa 80, together 230</p>", "filename": "sales"}
        answer = world.ask(
            gateway,
            "summarise sales.csv",
            plays=(
                calls(("shell", {"command": summing})),
                calls(("generate_document", page)),
                says("Printed."),
            ),
            user="kim",
        )
    assert content(answer) == "Printed."
    names = [tool["function"]["name"] for tool in world.provider.bodies[0]["tools"]]
    assert "add" not in names
    assert "shell" in names
    told = results(world)
    assert told[0] == "Lviv 150\nOdesa 80\n230"
    report = world.client.get("/api/v1/shell/io/file?path=total.txt", headers=who)
    assert report.content.strip() == b"230"
    found = re.search(r"https?://\S+", told[1])
    assert found, told[1]
    printed = httpx.get(found.group(), trust_env=False)
    assert printed.content.startswith(b"%PDF-")
    public = world.client.get("/api/v1/shell/io/file/public-address?path=sums.txt", headers=who).json()[
        "data"
    ]
    opened = httpx.get(public["publicUrl"], trust_env=False)
    assert opened.content == b"Lviv 150\nOdesa 80\n"
    run = world.client.get(f"/api/v1/runs/{answer['generation_context']['run']['id']}").json()
    tools = [(step["name"], step["note"]) for step in run["steps"] if step["kind"] == "tool"]
    assert tools == [("add", "in the shell"), ("shell", ""), ("generate_document", "")]
