"""Every published way of saying the same thing to an operation is understood, and what is wrong is named."""

import json
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest
from tests.e2e.in_process import InProcess

QUESTION = "How long is the notice period?"
TURNS = [
    {"user": "me", "message": "Hello"},
    {"user": "gpt", "message": "Good day."},
    {"user": "me", "message": QUESTION},
]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]


async def ask(app: InProcess, **body: Any) -> dict[str, Any]:
    answer = await app.client.post("/server/query", json={"dataset": "staff", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "message",
    [QUESTION, TURNS, MESSAGES, PARTS, json.dumps(TURNS), json.dumps(MESSAGES), json.dumps(QUESTION)],
)
async def test_a_message_may_be_text_turns_openai_messages_or_json_of_these(
    app: InProcess, message: object
) -> None:
    answer = await ask(app, message=message)
    assert "three months" in answer["message"]
    assert answer["references"].startswith("[1] ")


async def test_of_datasets_made_of_one_name_at_once_there_is_one(app: InProcess) -> None:
    statuses: list[int] = []

    async def add() -> None:
        answer = await app.client.post("/user/add-dataset", json={"dataset": "raced"})
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(add)
    assert sorted(statuses) == [200, 400, 400, 400, 400, 400]
    names = (await app.client.get("/server/get-datasets")).json()["response"]
    (made,) = [name for name in names if "_raced_" in name]
    gone = await app.client.post("/user/delete-dataset", json={"dataset": made})
    assert gone.status_code == 200, gone.text


async def test_messages_is_another_name_for_message(app: InProcess) -> None:
    answer = await app.client.post("/server/query", json={"messages": MESSAGES, "dataset": "staff"})
    assert "three months" in answer.json()["message"]


async def test_query_string_form_multipart_and_json_carry_the_same_values(app: InProcess) -> None:
    values = {"message": QUESTION, "dataset": "staff", "usage": "true", "limit_references": "1"}
    answers = [
        await app.client.post("/server/query", json=values),
        await app.client.post("/server/query", params=values),
        await app.client.post("/server/query", data=values),
        await app.client.post("/server/query", files={name: (None, value) for name, value in values.items()}),
        await app.client.post("/server/query", json={"content": values}),
        await app.client.post(
            "/server/query",
            content=urlencode(values),
            headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        ),
    ]
    for answer in answers:
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert body["message"] == answers[0].json()["message"]
        assert body["usage"]["total_tokens"] > 0
        assert body["references"].count("[1] ") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/server/get-datasets",
        "/server/get_datasets",
        "/server/get-datasets/",
        "/server//get-datasets",
        "//server/get_datasets//",
        "/user/get-datasets",
        "/server/GET-DATASETS",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_slashes_dashes_and_verbs_do_not_matter_to_an_operation_that_reads(
    app: InProcess, path: str, method: str
) -> None:
    answer = await app.client.request(method, "http://here" + path)
    assert answer.status_code == 200, answer.text
    assert [name.split("_", 3)[3] for name in answer.json()["response"]] == ["staff_content"]


@pytest.mark.parametrize("header", ["x-access-tokens", "X-API-Key", "Authorization"])
async def test_the_token_is_taken_from_each_published_header(app: InProcess, header: str) -> None:
    key = app.client.headers["authorization"].removeprefix("Bearer ")
    answer = await app.nobody.get("/server/get-models", headers={header: key})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/server/no-such-thing", 404), ("POST", "/user/no-such-thing", 404), ("GET", "/server", 404),
     ("GET", "/server/query", 405), ("DELETE", "/server/get-datasets", 405), ("PUT", "/server/train", 405)],
)  # fmt: skip
async def test_unknown_paths_and_verbs_are_answered_in_json(
    app: InProcess, method: str, path: str, status: int
) -> None:
    answer = await app.client.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (status, status)
    assert body["response"] == body["error"] != ""


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"message": ', "Invalid JSON"),
        (b"[1, 2]", "Invalid JSON"),
        (b'{"dataset": "staff"}', "'message'"),
        (b'{"message": ""}', "'message'"),
        (b'{"message": 7, "temperature": 0}', "'message'"),
        (b'{"message": [{"user": "me", "message": "x"}, 5]}', "'message[1]'"),
        (b'{"message": [{"user": "cat", "message": "x"}]}', "'message[0]'"),
        (b'{"message": [{"user": "me", "message": {"a": 1}}]}', "'message[0].message'"),
        (b'{"message": "x", "temperature": "hot"}', "'temperature'"),
        (b'{"message": "x", "temperature": 3}', "'temperature'"),
        (b'{"message": "x", "limit_references": -1}', "'limit_references'"),
        (b'{"message": "x", "limit_references": 1.5}', "'limit_references'"),
        (b'{"message": "x", "live": 9}', "'live'"),
        (b'{"message": "x", "usage": "perhaps"}', "'usage'"),
        (b'{"message": "x", "tools": [{"description": "no name"}]}', "'tools[0]'"),
        (b'{"message": "x", "tool_choice": 7}', "'tool_choice'"),
        (b'{"message": "x", "tool_choice": {"function": {"name": "f", "arguments": "{"}}}', "arguments"),
        (b'{"message": "x", "tool_choice": {"function": {"name": "f", "arguments": [1]}}}', "arguments"),
        (b'{"message": "x", "model": ["a"]}', "'model'"),
        (b'{"message": "x", "model": "no-such-model"}', "no-such-model"),
        (b'{"message": "x", "dataset": "nowhere"}', "nowhere"),
        (b'{"message": "x", "dataset": {"a": 1}}', "dataset"),
    ],
)
async def test_what_is_wrong_with_a_query_is_named(app: InProcess, body: bytes, named: str) -> None:
    answer = await app.client.post(
        "/server/query", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["status"] == 400
    assert named in answer.json()["response"]


async def test_a_broken_multipart_body_is_refused(app: InProcess) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await app.client.post("/server/query", content=b"--x\r\nContent-Disp", headers=headers)
    assert answer.status_code == 400
    answer = await app.client.post(
        "/server/query", content=b"x", headers={"content-type": "multipart/form-data"}
    )
    assert answer.status_code == 400


async def test_in_error_mode_body_the_status_stands_in_the_body_only(app: InProcess) -> None:
    for client, path, status in (
        (app.client, "/server/no-such-thing", 404),
        (app.nobody, "/server/get-datasets", 400),
        (app.client, "/server/query", 400),
    ):
        answer = await client.post(path, json={}, headers={"x-error-mode": "body"})
        assert (answer.status_code, answer.json()["status"]) == (200, status)


async def test_without_a_token_the_body_is_not_even_read(app: InProcess) -> None:
    answer = await app.nobody.post("/server/query", content=b'{"message": ')
    assert answer.status_code == 400
    assert "token" in answer.json()["response"]
    assert (
        await app.nobody.get("/server/get-datasets", headers={"x-access-tokens": "sk-wrong"})
    ).status_code == 400


@pytest.mark.parametrize("name", ["staff", "user_custom_{number}_staff_content"])
async def test_another_users_dataset_cannot_be_searched_or_written_to(app: InProcess, name: str) -> None:
    own = (await app.client.get("/server/get-datasets")).json()["response"][0]
    name = name.replace("{number}", own.split("_")[2])
    refused = await app.stranger.post("/server/query", json={"message": QUESTION, "dataset": name})
    assert refused.status_code == 400
    train = {"content": "Poison.", "force_dataset": name}
    assert (await app.stranger.post("/server/train", json=train)).status_code == 400
    file = {"file": ("a.txt", b"Poison.")}
    assert (
        await app.stranger.post("/server/train-with-file", files=file, data={"dataset": name})
    ).status_code == 400
    everything = await app.stranger.post("/server/query", json={"message": QUESTION, "dataset": "all"})
    assert "three months" not in everything.text


async def test_the_answer_does_not_tell_an_existing_foreign_dataset_from_none(app: InProcess) -> None:
    texts = [
        (await app.stranger.post("/server/query", json={"message": "x", "dataset": name})).json()["response"]
        for name in ("staff", "stuff")
    ]
    assert texts[0].replace("staff", "stuff") == texts[1]


@pytest.mark.parametrize("none", ["none", "None", [], ["none"]])
async def test_without_datasets_nothing_is_looked_up(app: InProcess, none: object) -> None:
    answer = await app.client.post(
        "/server/query", json={"message": QUESTION, "dataset": none, "limit_references": 0}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["references"] == ""


async def test_an_exchange_with_a_wrong_key_or_address_is_refused_alike(app: InProcess) -> None:
    key = app.client.headers["authorization"].removeprefix("Bearer ")
    refused = [
        await app.nobody.post("/user/get-token-with-api-key", json={"email": email, "api_key": api_key})
        for email, api_key in (("ana@example.org", "sk-wrong"), ("nobody@example.org", key))
    ]
    assert {answer.status_code for answer in refused} == {400}
    assert refused[0].json()["response"] == refused[1].json()["response"]
    missing = await app.nobody.post("/user/get-token-with-api-key", json={"email": "ana@example.org"})
    assert "'api_key'" in missing.json()["response"]
