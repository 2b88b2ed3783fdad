"""Deep agents over HTTP: begun by a query, followed from the start, gone on with, stopped, each its owner's alone."""

import json
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app

from dragoman.adapters.models.scripted import Rule, Script
from scripted_server import Exchange, ScriptedServer

SCRIPT = Script(
    rules=(
        Rule(match=r"<task>\nNever ends", text="word " * 400, delay_seconds=0.05),
        Rule(match=r"<task>\nFails", error="invalid", error_message="The script refuses."),
        Rule(
            match=r"<notes>.*The result:$", text="Otters eat fish [2]. Herons too [1, 2]. Nothing more [99]."
        ),
        Rule(match=r"<notes>", text='{"questions": ["What do herons eat?"]}'),
        Rule(match=r"<sources>", text="Something is said [1][2]."),
        Rule(match=r"<task>", text='Here: {"questions": ["What do otters eat?", "Where do otters live?"]}'),
    )
)
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
async def scripted(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Scripted]:
    folder = tmp_path_factory.mktemp("deep") / "data"
    with pytest.MonkeyPatch.context() as patch:
        async with scripted_app(folder, patch, SCRIPT) as running:
            await running.app.dataset("animals")
            for text in ("Herons eat frogs and fish.", "Otters eat fish and live at rivers."):
                body = {"content": text, "force_dataset": "animals"}
                assert (await running.app.client.post("/server/train", json=body)).status_code == 200
            yield running


@pytest.fixture
def client(scripted: Scripted) -> httpx.AsyncClient:
    return scripted.app.client


async def begin(client: httpx.AsyncClient, message: str, status: int = 200, **more: Any) -> dict[str, Any]:
    body = {"message": message, "mode": "deep_agent", **more}
    answer = await client.post("/server/query", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def followed(client: httpx.AsyncClient, number: int, *, seconds: float = 30) -> Lines:
    with anyio.fail_after(seconds):
        answer = await client.post("/server/get-deep-agent", json={"deep_agent_id": number})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return [json.loads(line) for line in answer.text.splitlines() if line]


async def until(holds: Callable[[], bool], *, seconds: float = 10) -> None:
    """Returns once this holds."""
    with anyio.fail_after(seconds):
        while True:
            if holds():
                return
            await anyio.sleep(0.02)


async def test_a_research_is_planned_read_checked_written_and_cited(client: httpx.AsyncClient) -> None:
    begun = await begin(client, "Tell me about otters", dataset="animals")
    assert begun["type"] == "deep_agent"
    assert begun["added_obj"] == {"deep_agent_id": begun["deep_agent_id"]}
    lines = await followed(client, begun["deep_agent_id"])
    assert lines[0]["message"] == "Question: Tell me about otters"
    (plan,) = [line for line in lines if line["type"] == "plan"]
    assert plan["questions"] == ["What do otters eat?", "Where do otters live?"]
    assert [line["question"] for line in lines if line["type"] == "note"] == [
        *plan["questions"],
        "What do herons eat?",
    ]
    done = lines[-1]
    assert done["type"] == "done"
    assert done["status"] == 200
    assert done["message"] == "Otters eat fish [1]. Herons too [2][1]. Nothing more."
    references = done["references"].splitlines()
    assert re.match(r"\[1\] .+ - Metadata: ", references[0])
    assert len(references) == 2
    assert done["usage"]["total_tokens"] > 0
    assert {"type": "delta", "message": done["message"]} in lines
    assert await followed(client, begun["deep_agent_id"]) == lines


async def test_its_answer_is_in_the_log_and_its_tokens_are_counted(client: httpx.AsyncClient) -> None:
    counter = "/server/count-monthly-tokens"
    before = (await client.get(counter)).json()["response"]
    begun = await begin(client, "Tell me about rivers", dataset="animals")
    done = (await followed(client, begun["deep_agent_id"]))[-1]
    (entry, *_) = (await client.post("/user/get-user-logs", json={"limit": 1})).json()["response"]
    assert (entry["uuid"], entry["prompt"]) == (done["uuid"], "Tell me about rivers")
    assert (await client.get(counter)).json()["response"] - before == done["usage"]["total_tokens"]


async def test_it_is_sent_as_events_to_those_who_ask_for_them(client: httpx.AsyncClient) -> None:
    begun = await begin(client, "Tell me about herons", dataset="none")
    answer = await client.post(
        "/server/get-deep-agent",
        data={"deep_agent_id": str(begun["deep_agent_id"])},
        headers={"accept": "text/event-stream"},
    )
    frames = [
        frame.removeprefix("data: ") for frame in answer.text.split("\n\n") if frame.startswith("data:")
    ]
    assert frames[-1] == "[DONE]"
    assert json.loads(frames[-2])["type"] == "done"


async def test_a_further_question_goes_on_from_what_was_found(scripted: Scripted) -> None:
    client = scripted.app.client
    number = (await begin(client, "Tell me about otters", dataset="animals"))["deep_agent_id"]
    first = await followed(client, number)
    again = await begin(client, "And what else?", dataset="animals", deep_agent_id=number)
    assert again["deep_agent_id"] == number
    lines = await followed(client, number)
    assert lines[: len(first) - 2] == first[:-2]
    assert [line["type"] for line in lines if line["type"] in ("answer", "done")] == ["answer", "done"]
    asked = scripted.model.requests
    planned = next(one for one in asked if "<task>\nAnd what else?" in one.messages[-1].text)
    assert "<earlier-answer>" in planned.messages[-1].text


async def test_naming_one_is_enough_to_go_on_with_it(client: httpx.AsyncClient) -> None:
    number = (await begin(client, "Tell me about otters", dataset="animals"))["deep_agent_id"]
    await followed(client, number)
    again = await client.post("/server/query", json={"message": "And more?", "deep_agent_id": number})
    assert (again.json()["type"], again.json()["deep_agent_id"]) == ("deep_agent", number)
    assert (await followed(client, number))[-1]["type"] == "done"


async def test_one_that_is_stopped_ends_at_once_with_its_model(scripted: Scripted) -> None:
    client, model = scripted.app.client, scripted.model
    before = model.closed_early
    number = (await begin(client, "Never ends", dataset="none"))["deep_agent_id"]
    refused = await begin(client, "More", 400, deep_agent_id=number)
    assert "still at work" in refused["response"]
    assert (
        await scripted.app.stranger.post("/server/cancel-deep-agent", json={"deep_agent_id": number})
    ).status_code == 400
    await until(lambda: any("Never ends" in one.messages[-1].text for one in model.requests))
    stopped = await client.post("/server/cancel-deep-agent", json={"deep_agent_id": number})
    assert stopped.json()["response"] == "OK"
    assert (await followed(client, number, seconds=5))[-1]["type"] == "error"
    await until(lambda: model.closed_early > before)
    again = await client.post("/server/cancel-deep-agent", json={"deep_agent_id": number})
    assert "ended already" in again.json()["response"]


async def test_one_whose_model_fails_for_good_says_so(client: httpx.AsyncClient) -> None:
    number = (await begin(client, "Fails", dataset="none"))["deep_agent_id"]
    last = (await followed(client, number))[-1]
    assert last["type"] == "error"
    assert "The script refuses." in last["response"]
    listed = (await client.get("/server/get-deep-agents")).json()["response"]
    assert next(one for one in listed if one["deep_agent_id"] == number)["state"] == "failed"


async def test_a_model_that_only_quotes_puts_quotations_together_and_says_so(
    client: httpx.AsyncClient,
) -> None:
    begun = await begin(client, "What do otters eat?", dataset="animals", model="extractive")
    done = (await followed(client, begun["deep_agent_id"]))[-1]
    assert "Otters eat fish" in done["message"]
    assert done["references"].startswith("[1] Otters eat fish")
    assert "writes nothing of its own" in done["added_obj"]["notice"]


async def test_the_web_that_nobody_searches_is_said_to_be_left_out(client: httpx.AsyncClient) -> None:
    begun = await begin(client, "What is new about otters?", dataset="animals", live=1)
    lines = await followed(client, begun["deep_agent_id"])
    assert any("web" in str(line.get("message")) for line in lines if line["type"] == "status")
    assert lines[-1]["added_obj"]["web_problem"]


async def test_another_users_is_as_if_it_were_not_there(scripted: Scripted) -> None:
    number = (await begin(scripted.app.client, "Mine alone", dataset="none"))["deep_agent_id"]
    stranger = scripted.app.stranger
    unknown = await stranger.post("/server/get-deep-agent", json={"deep_agent_id": 999_999})
    theirs = await stranger.post("/server/get-deep-agent", json={"deep_agent_id": number})
    assert unknown.status_code == theirs.status_code == 400
    assert theirs.json()["response"].replace(str(number), "N") == unknown.json()["response"].replace(
        "999999", "N"
    )
    await begin(stranger, "Mine now", 400, deep_agent_id=number)
    assert (await stranger.get("/server/get-deep-agents")).json()["response"] == []
    assert (await followed(scripted.app.client, number))[-1]["type"] == "done"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"message": "x", "mode": "deep"}, "mode"),
        ({"message": "x", "mode": "deep_agent", "dataset": "nowhere"}, "nowhere"),
        ({"message": "x", "mode": "deep_agent", "model": "nonsense"}, "nonsense"),
        ({"message": "", "mode": "deep_agent"}, "message"),
        ({"message": "x" * 100_001, "mode": "deep_agent"}, "longer"),
        ({"message": "x", "mode": "deep_agent", "deep_agent_id": "abc"}, "deep_agent_id"),
        ({"message": "x", "mode": "deep_agent", "deep_agent_id": 424242}, "424242"),
        ({"message": "x", "deep_agent_id": 424242}, "424242"),
        ({"message": "x", "mode": "chat", "deep_agent_id": 424242}, "'deep_agent_id' goes with"),
        ({"message": "x", "mode": "deep_agent", "files": "notes.txt"}, "takes no files"),
    ],
)
async def test_what_is_wrong_with_a_beginning_is_named(
    client: httpx.AsyncClient, body: dict[str, Any], named: str
) -> None:
    answer = await client.post("/server/query", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["response"]


@pytest.mark.parametrize("number", [None, 0, "abc", 2**60, 424242])
async def test_an_id_that_is_none_is_refused(client: httpx.AsyncClient, number: object) -> None:
    answer = await client.post("/server/get-deep-agent", json={"deep_agent_id": number})
    assert answer.status_code == 400
    assert answer.json()["status"] == 400


async def test_too_many_at_a_time_are_refused(scripted: Scripted) -> None:
    stranger = scripted.app.stranger
    numbers = [(await begin(stranger, "Never ends", dataset="none"))["deep_agent_id"] for _ in range(10)]
    assert "At most 10" in (await begin(stranger, "Never ends", 429, dataset="none"))["response"]
    for number in numbers:
        assert (
            await stranger.post("/server/cancel-deep-agent", json={"deep_agent_id": number})
        ).status_code == 200
    begun = await begin(stranger, "One more", dataset="none")
    assert (await followed(stranger, begun["deep_agent_id"]))[-1]["type"] == "done"


async def _web(exchange: Exchange) -> None:
    path = exchange.head.split(b" ", 2)[1]
    if path.startswith(b"/search"):
        found = {
            "title": "Otter news",
            "url": f"http://127.0.0.1:{_port(exchange)}/page",
            "content": "Otters return.",
        }
        await exchange.json({"results": [found]})
    else:
        page = b"<html><head><title>Otters</title></head><body><p>Otters were seen at the mill.</p></body></html>"
        await exchange.answer(page, headers="content-type: text/html\r\n")


def _port(exchange: Exchange) -> int:
    return int(exchange.writer.get_extra_info("sockname")[1])


async def test_the_web_is_searched_and_its_pages_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer(_web) as site:
        search = {"provider": "searxng", "url": site.url}
        allowed = {"allow": ["127.0.0.1"]}
        async with scripted_app(
            tmp_path / "data", monkeypatch, SCRIPT, search=search, egress=allowed
        ) as running:
            client = running.app.client
            for live, wanted in ((1, "Otters return."), (2, "Otters were seen at the mill.")):
                begun = await begin(client, "Otter news?", dataset="none", live=live)
                lines = await followed(client, begun["deep_agent_id"])
                (source,) = [line["source"] for line in lines if line["type"] == "tool"]
                assert source["url"] == f"{site.url}/page"
                assert wanted in source["text"]
                assert f"{site.url}/page" in lines[-1]["references"]
            assert any("Otters were seen" in one.messages[-1].text for one in running.model.requests)
