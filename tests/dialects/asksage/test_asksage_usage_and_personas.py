"""Personas, token counts, answer logs, votes, sign-ins, secrets, plugins."""

import re
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asksage_scripted import Scripted, scripted_app
from tests.e2e.in_process import InProcess
from tests.e2e.server import API_KEY, EMAIL

from dragoman.adapters.models.scripted import ScriptedUsage, Turn
from dragoman.domain.usage.answers.service import AnswerLog, KeptAnswer

_HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_USAGE = ScriptedUsage(prompt_tokens=30, completion_tokens=12)


@pytest.fixture
async def scripted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> AsyncGenerator[Scripted]:
    turns = [Turn(text=f"Answer {number}.", usage=_USAGE) for number in range(1, 30)]
    async with scripted_app(tmp_path / "data", monkeypatch, turns) as running:
        yield running


async def asked(client: httpx.AsyncClient, message: str = "What now?", **more: Any) -> dict[str, object]:
    answer = await client.post("/server/query", json={"message": message, "dataset": "none", **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def logs(client: httpx.AsyncClient, **body: object) -> list[dict[str, object]]:
    answer = await client.post("/user/get-user-logs", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["response"]


async def count(client: httpx.AsyncClient, name: str, **body: object) -> int:
    got = await client.post(f"/server/{name}", json=body)
    assert got.status_code == 200, got.text
    assert isinstance(got.json()["response"], int)
    return got.json()["response"]


async def test_the_fifteen_personas_have_their_numbers_names_and_prompts(app: InProcess) -> None:
    by_post = await app.client.post("/server/get-personas")
    by_get = await app.client.get("/server/get-personas")
    assert by_post.status_code == 200
    assert by_get.json() == by_post.json()
    personas = by_post.json()["response"]
    assert [persona["id"] for persona in personas] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 21, 116]
    assert personas[4]["name"] == "ISSO (Cyber)"
    assert len({persona["prompt"] for persona in personas}) == 15
    for persona in personas:
        assert set(persona) == {
            "id", "name", "description", "prompt", "date_creation", "date_modification", "public"
        }  # fmt: skip
        assert len(persona["prompt"]) > 200
        assert persona["public"] is True
        assert _HTTP_DATE.fullmatch(persona["date_creation"])


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({}, 1),
        ({"persona": 1}, 1),
        ({"persona": "1"}, 1),
        ({"persona": "default"}, 1),
        ({"persona": 5}, 5),
        ({"persona": "21"}, 21),
        ({"persona": "legal assistant"}, 2),
        ({"persona": "Pirate"}, 1),
        ({"persona": 999}, 1),
    ],
)
async def test_a_question_is_answered_as_the_persona(
    scripted: Scripted, given: dict[str, Any], number: int
) -> None:
    listed = (await scripted.app.client.get("/server/get-personas")).json()["response"]
    prompts = {persona["id"]: persona["prompt"] for persona in listed}
    await asked(scripted.app.client, **given)
    assert scripted.model.requests[-1].messages[0].role == "system"
    assert scripted.model.requests[-1].messages[0].text == prompts[number]


async def test_a_system_prompt_replaces_the_persona(scripted: Scripted) -> None:
    await asked(scripted.app.client, persona=4, system_prompt="Speak like a sailor.")
    assert scripted.model.requests[-1].messages[0].text == "Speak like a sailor."


async def test_monthly_tokens_are_counted_by_application_and_by_user(scripted: Scripted) -> None:
    client, stranger = scripted.app.client, scripted.app.stranger
    assert await count(client, "count-monthly-tokens") == 0
    left = await count(client, "count-monthly-tokens-left-with-org")
    await asked(client)
    await asked(client)
    assert await count(client, "count-monthly-tokens") == 84
    assert (await client.get("/user/count_monthly_tokens")).json() == {"response": 84, "status": 200}
    assert await count(client, "count-monthly-tokens", app_name="asksage") == 84
    assert await count(client, "count-monthly-tokens", app_name="another") == 0
    assert await count(stranger, "count-monthly-tokens") == 0
    assert await count(client, "count-monthly-tokens-left-with-org") == left - 84


async def test_teach_tokens_are_counted_apart_from_those_of_answers(app: InProcess) -> None:
    before = await count(app.client, "count-monthly-teach-tokens")
    chat = await count(app.client, "count-monthly-tokens")
    learned = await app.client.post("/server/train", json={"content": "Seven wonders of the ancient world."})
    tokens = int(re.findall(r"\((\d+) tokens\)", learned.json()["response"])[0])
    assert tokens > 0
    assert await count(app.client, "count-monthly-teach-tokens") == before + tokens
    assert (await app.client.get("/server/count-monthly-teach-tokens")).json()["response"] == before + tokens
    assert await count(app.client, "count-monthly-tokens") == chat


async def test_the_log_holds_the_callers_answers_newest_first(scripted: Scripted) -> None:
    client = scripted.app.client
    first = await asked(client, "One?")
    second = await asked(client, "Two?")
    entries = await logs(client)
    assert [(entry["prompt"], entry["completion"]) for entry in entries] == [
        ("Two?", "Answer 2."),
        ("One?", "Answer 1."),
    ]
    assert [entry["uuid"] for entry in entries] == [second["uuid"], first["uuid"]]
    newest = entries[0]
    assert newest["response"] == newest["completion"]
    assert newest["IP"] == newest["ip"] == "127.0.0.1"
    assert newest["model"] == "scripted"
    assert (newest["prompt_tokens"], newest["completion_tokens"], newest["total_tokens"]) == (30, 12, 42)
    assert newest["teach"] is False
    assert _HTTP_DATE.fullmatch(str(newest["date_time"]))
    assert isinstance(newest["id"], int)
    assert len(await logs(client, limit=1)) == 1
    assert await logs(scripted.app.stranger) == []
    for limit in (0, 101, "many"):
        assert (await client.post("/user/get-user-logs", json={"limit": limit})).status_code == 400


async def test_the_log_keeps_a_users_latest_answers_and_no_others(scripted: Scripted) -> None:
    running = scripted.app.running
    await asked(scripted.app.stranger, "Mine stays?")
    caller = await running.services.accounts.keys.authenticate_slow(API_KEY)
    log = AnswerLog(running.database, kept_per_user=3)
    for number in range(5):
        kept = KeptAnswer(str(uuid.uuid4()), number, "asksage", "m", f"Q{number}", "A\0", 1, 2, "127.0.0.1")
        await log.keep(caller, kept)
    assert [(answer.prompt, answer.completion) for answer in await log.latest(caller, 100)] == [
        ("Q4", "A"),
        ("Q3", "A"),
        ("Q2", "A"),
    ]
    assert [entry["prompt"] for entry in await logs(scripted.app.stranger)] == ["Mine stays?"]


async def test_an_answer_is_in_the_log_when_its_stream_says_done(scripted: Scripted) -> None:
    client = scripted.app.client
    seen: list[dict[str, object]] = []
    body = {"message": "Streamed?", "dataset": "none", "streaming": True}
    async with client.stream("POST", "/server/query", json=body) as answer:
        async for line in answer.aiter_lines():
            if '"done"' in line:
                seen = await logs(client)
    assert [entry["prompt"] for entry in seen] == ["Streamed?"]


async def test_own_answers_can_be_voted_down_again_and_others_cannot(scripted: Scripted) -> None:
    client, stranger = scripted.app.client, scripted.app.stranger
    answer_id = (await asked(client))["uuid"]
    for _ in range(2):
        voted = await client.post("/server/vote-down", json={"uuid": answer_id})
        assert voted.status_code == 200, voted.text
        assert voted.json()["status"] == 200
    assert (await client.get("/server/vote-down", params={"uuid": str(answer_id)})).status_code == 200
    others = await stranger.post("/server/vote-down", json={"uuid": answer_id})
    unknown = await stranger.post("/server/vote-down", json={"uuid": str(uuid.uuid4())})
    assert others.status_code == unknown.status_code == 400
    assert others.json() == unknown.json()
    assert (await client.post("/server/vote-down", json={})).status_code == 400


async def test_token_exchanges_are_listed_with_their_outcome(app: InProcess) -> None:
    for key in (API_KEY, "sk-" + "x" * 61):
        await app.nobody.post("/user/get-token-with-api-key", json={"email": EMAIL, "api_key": key})
    found = (await app.client.post("/user/get-user-logins", json={"limit": 2})).json()["response"]
    assert [login["status"] for login in found] == ["Failure", "Success"]
    assert [login["status_code"] for login in found] == [400, 200]
    assert all(login["IP"] == login["ip"] == "127.0.0.1" for login in found)
    assert all(_HTTP_DATE.fullmatch(login["date_time"]) for login in found)
    assert (await app.stranger.post("/user/get-user-logins")).json()["response"] == []
    for limit in (0, 101):
        assert (await app.client.post("/user/get-user-logins", json={"limit": limit})).status_code == 400


async def test_secrets_are_named_but_never_shown(app: InProcess) -> None:
    kept = await app.client.post("/user/set-secret", json={"name": "JIRA", "value": "hush-hush"})
    assert kept.json() == {"response": "OK", "status": 200}
    listed = await app.client.get("/server/get-secrets")
    assert listed.json() == {"response": ["JIRA"], "status": 200}
    assert (await app.stranger.get("/server/get-secrets")).json()["response"] == []
    stolen = await app.stranger.post("/user/delete-secret", json={"name": "JIRA"})
    assert stolen.status_code == 400
    assert (
        await app.client.post("/user/set-secret", json={"name": "no good", "value": "x"})
    ).status_code == 400
    assert (await app.client.post("/user/delete-secret", json={"name": "JIRA"})).status_code == 200
    assert (await app.client.post("/server/get-secrets")).json()["response"] == []
    assert (await app.client.post("/user/delete-secret", json={"name": "JIRA"})).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "server/get-personas", "server/get-plugins", "server/get-secrets", "server/count-monthly-tokens",
        "server/count-monthly-teach-tokens", "server/get-all-files-ingested", "user/get-user-logs",
        "user/get-user-logins", "server/vote-down", "server/tokenizer", "server/follow-up-questions",
    ],
)  # fmt: skip
async def test_a_call_without_a_token_is_refused_in_the_dialects_own_shape(app: InProcess, path: str) -> None:
    refused = await app.nobody.post(f"/{path}")
    assert refused.status_code == 400
    assert refused.json()["status"] == 400
    assert refused.json()["response"] == refused.json()["error"]


async def test_the_tokenizer_counts_as_text(app: InProcess) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    counted = await app.client.post("/server/tokenizer", json={"content": text, "model": "gpt-4o"})
    assert counted.status_code == 200
    assert counted.json()["response"].isdecimal()
    assert 8 <= int(counted.json()["response"]) <= 14
    unknown = await app.client.get("/server/tokenizer", params={"content": text, "model": "never-heard-of"})
    assert unknown.status_code == 200
    more = {"content": text, "model": "gpt-4o", "convert_to_asksage": True, "completion_estimate": "100"}
    estimated = await app.client.post("/server/tokenizer", data=more)
    assert int(estimated.json()["response"]) == int(counted.json()["response"]) + 100
    assert (await app.client.post("/server/tokenizer", json={})).status_code == 400
