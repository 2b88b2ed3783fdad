"""Files read, remembered, asked about; answers in pieces; follow-up questions."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from asksage_scripted import Scripted, scripted_app
from tests.e2e.in_process import InProcess

import samples
from dragoman.adapters.models.scripted import Turn

_DAY_MS = 24 * 3600 * 1000
Start = Callable[..., AbstractAsyncContextManager[Scripted]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    return partial(scripted_app, tmp_path / "data", monkeypatch)


@pytest.fixture
async def scripted(start: Start, anyio_backend: str) -> AsyncGenerator[Scripted]:
    async with start() as running:
        yield running


async def uploaded(client: httpx.AsyncClient, name: str, content: bytes) -> dict[str, Any]:
    answer = await client.post("/server/file", files={"file": (name, content)}, data={"strategy": "fast"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    return answer.json()


async def test_a_files_text_comes_page_by_page(app: InProcess) -> None:
    read = await uploaded(app.client, "Über.pdf", samples.pdf(["First page here.", "Second page there."]))
    assert read["response"] == "OK"
    assert read["sent_filename"] == "Über.pdf"
    lines = read["ret"].splitlines()
    marks = [json.loads(line) for line in lines if line.startswith('{"asksage_metadata"')]
    assert marks == [
        {"asksage_metadata": {"filename": "Über.pdf", "page_number": number}} for number in (1, 2)
    ]
    assert lines[0].startswith('{"asksage_metadata"')
    assert "First page here." in lines[1]
    assert "Second page there." in read["ret"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("blank.txt", b" \n "),
        ("noise.bin", bytes(range(256)) * 64),
        ("half.pdf", samples.pdf(["text"])[:200]),
    ],
)
async def test_a_file_that_cannot_be_read_is_the_callers_mistake(
    app: InProcess, name: str, content: bytes
) -> None:
    refused = await app.client.post("/server/file", files={"file": (name, content)})
    assert refused.status_code == 400
    assert refused.json()["status"] == 400


async def test_a_model_is_given_the_texts_of_parts_and_of_earlier_uploads(scripted: Scripted) -> None:
    client = scripted.app.client
    await uploaded(client, "minutes.txt", b"The meeting is moved to Friday.")
    answer = await client.post(
        "/server/query_with_file",
        files=[("file", ("a.md", b"Ann brings the cake.")), ("file", ("b.md", b"Bob brings the tea."))],
        data={"message": "Who brings what, and when?", "dataset": "none", "file": "minutes.txt"},
    )
    assert answer.status_code == 200, answer.text
    sent = scripted.model.requests[-1].messages
    given = next(message.text for message in sent if "<file" in message.text)
    assert all(text in given for text in ("meeting is moved to Friday", "Ann brings", "Bob brings"))
    assert sent[-1].text == "Who brings what, and when?"
    notes = answer.json()["added_obj"]["files"]
    assert [note["filename"] for note in notes] == ["a.md", "b.md", "minutes.txt"]
    assert not any("note" in note for note in notes)
    logs = (await client.post("/user/get-user-logs")).json()["response"]
    assert logs[0]["prompt"] == "Who brings what, and when?"
    by_list = await post(client, "/server/query", message="And now?", dataset="none", file=["a.md", "b.md"])
    assert [note["filename"] for note in by_list["added_obj"]["files"]] == ["a.md", "b.md"]


async def test_long_files_are_cut_to_the_models_context_and_the_caller_is_told(start: Start) -> None:
    async with start([Turn(text="Read.")], context_tokens=2000) as scripted:
        long = "The harbour master counts the ships every morning. " * 2000
        answer = await scripted.app.client.post(
            "/server/query",
            files=[("file", ("long.txt", long.encode())), ("file", ("short.txt", b"It rained."))],
            data={"message": "What is counted?", "dataset": "none", "max_tokens": "200"},
        )
        assert answer.status_code == 200, answer.text
        cut, whole = answer.json()["added_obj"]["files"]
        assert cut["characters"] == len(long.strip())
        assert 1000 < cut["used_characters"] < 9000
        assert "cut" in cut["note"]
        assert "note" not in whole
        given = "\n".join(message.text for message in scripted.model.requests[-1].messages)
        assert "It rained." in given
        counted = await scripted.app.running.services.tokens.total([given], "scripted")
        assert counted.tokens <= 1800


async def test_a_file_of_another_user_or_of_yesterday_is_unknown(scripted: Scripted) -> None:
    client, stranger = scripted.app.client, scripted.app.stranger
    await uploaded(client, "private.txt", b"The vault code is 4711.")
    wanted: dict[str, Any] = {"message": "What is the code?", "dataset": "none", "file": "private.txt"}
    assert "private.txt" in (await post(stranger, "/server/query", 400, **wanted))["response"]
    assert (await post(client, "/server/query", **wanted))["response"] == "OK"
    attached = scripted.app.running.services.attached
    now = attached._clock_ms
    attached._clock_ms = lambda: now() + _DAY_MS + 1
    await post(client, "/server/query", 400, **wanted)
    await post(client, "/server/query", 400, **wanted | {"file": "/etc/passwd"})


async def test_twenty_files_are_taken_and_no_more(scripted: Scripted) -> None:
    def parts(count: int) -> list[tuple[str, tuple[str, bytes]]]:
        return [("file", (f"{number}.txt", b"Some words.")) for number in range(count)]

    body = {"message": "What is this?", "dataset": "none"}
    many = await scripted.app.client.post("/server/query", files=parts(21), data=body)
    assert many.status_code == 400
    assert "20" in many.json()["response"]
    enough = await scripted.app.client.post("/server/query", files=parts(20), data=body)
    assert len(enough.json()["added_obj"]["files"]) == 20


async def test_a_server_that_only_quotes_answers_from_the_file_with_its_page(app: InProcess) -> None:
    pages = ["The pump needs oil every month.", "The valve is checked every Tuesday."]
    answer = await app.client.post(
        "/server/query-with-file",
        files={"file": ("manual.pdf", samples.pdf(pages))},
        data={"message": "When is the valve checked?", "dataset": "none", "usage": "true"},
    )
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert "every Tuesday" in said["message"]
    mark = said["message"][said["message"].index("[") :][:3]
    line = next(line for line in said["references"].splitlines() if line.startswith(mark))
    assert "valve is checked every Tuesday" in line
    assert '"filename":"manual.pdf"' in line
    assert '"page_number":2' in line
    used = said["usage"]["model_tokens"]["total_tokens"]
    assert used > 0
    counted = await app.client.get("/server/count-monthly-tokens")
    assert counted.json()["response"] >= used


async def lines(client: httpx.AsyncClient, accept: str, **body: object) -> tuple[str, list[str]]:
    async with client.stream("POST", "/server/query", json=body, headers={"accept": accept}) as answer:
        assert answer.status_code == 200
        return answer.headers["content-type"], [line async for line in answer.aiter_lines() if line]


async def test_a_streamed_answer_is_the_whole_one_in_lines(start: Start) -> None:
    async with start([Turn(text="One two three."), Turn(text="One two three.")]) as scripted:
        body: dict[str, Any] = {"message": "Count.", "dataset": "none", "usage": True}
        whole = await post(scripted.app.client, "/server/query", **body)
        kind, found = await lines(scripted.app.client, "*/*", streaming=True, **body)
        assert kind.startswith("text/plain")
        events = [json.loads(line) for line in found]
        deltas = [event["message"] for event in events if event["type"] == "delta"]
        assert len(deltas) == 3
        assert "".join(deltas) == whole["message"] == events[-1]["message"]
        assert events[-1]["type"] == "done"
        same = {name for name in whole if name not in ("uuid", "type")}
        assert {name: events[-1][name] for name in same} == {name: whole[name] for name in same}


async def test_a_streamed_answer_may_come_as_server_sent_events(start: Start) -> None:
    async with start([Turn(text="One two."), Turn(text="One two.")]) as scripted:
        for streaming in ({"streaming": "true"}, {}):
            kind, found = await lines(
                scripted.app.client, "text/event-stream", message="Count.", dataset="none", **streaming
            )
            assert kind.startswith("text/event-stream")
            assert all(line.startswith("data: ") for line in found)
            assert found[-1] == "data: [DONE]"
            events = [json.loads(line.removeprefix("data: ")) for line in found[:-1]]
            assert events[-1]["type"] == "done"
            assert events[-1]["message"] == "One two."


async def test_a_stream_that_fails_says_so_in_its_last_line(start: Start) -> None:
    broken = Turn(text="One two three.", error="provider", error_after=2)
    async with start([broken, Turn(text="x", error="invalid")]) as scripted:
        _, found = await lines(scripted.app.client, "*/*", message="Count.", dataset="none", streaming=True)
        events = [json.loads(line) for line in found]
        assert [event["type"] for event in events] == ["delta", "delta", "error"]
        assert events[-1]["status"] == 502
        assert (await scripted.app.client.post("/user/get-user-logs")).json()["response"] == []
        early: dict[str, Any] = {"message": "Count.", "dataset": "none", "streaming": True}
        await post(scripted.app.client, "/server/query", 400, **early)


async def test_a_model_suggests_what_to_ask_next(start: Start) -> None:
    said = 'Sure!\n["How long is it?", "Who built it?", "How long is it?", "When was it opened?", "not one"]'
    async with start([Turn(text=said)]) as scripted:
        talk = [{"user": "me", "message": "What is the canal?"}, {"user": "gpt", "message": "A waterway."}]
        answer = await post(scripted.app.client, "/server/follow_up_questions", message=talk, dataset="none")
        assert answer["message"] == ["How long is it?", "Who built it?", "When was it opened?"]
        assert answer["response"] == "OK"
        assert answer["references"] == ""
        assert answer["embedding_down"] is answer["vectors_down"] is False
        assert len(answer["uuid"]) == 36
        assert "A waterway." in scripted.model.requests[-1].messages[-1].text
        counted = (await scripted.app.client.get("/server/count-monthly-tokens")).json()["response"]
        assert counted > 0


async def test_too_few_questions_of_a_model_are_filled_up_from_the_conversation(start: Start) -> None:
    talk = [{"user": "me", "message": "What is a turbine?"}]
    async with start([Turn(text="I would rather not.")]) as scripted:
        answer = await post(scripted.app.client, "/server/follow-up-questions", message=talk, dataset="none")
        assert 3 <= len(answer["message"]) <= 5
        assert all("turbine" in question for question in answer["message"])


async def test_a_question_about_files_needs_a_file(app: InProcess) -> None:
    for path in ("query_with_file", "query-with-file"):
        refused = await post(app.client, f"/server/{path}", 400, message="What is this?", dataset="none")
        assert "'file' is required" in refused["response"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"message": "a\x00b"}, "'message' holds a NUL"),
        ({"message": [{"user": "me", "message": "\x00"}]}, "'message' holds a NUL"),
        ({"message": "x", "dataset": {"a": 1}}, "'dataset' must be a text or a list of texts"),
        ({"message": "x", "max_tokens": 0}, "between 1 and 1000000"),
        ({"message": "x", "mode": "deep_agent", "deep_agent_id": 99}, "no deep agent 99"),
    ],
)
async def test_unfit_values_are_refused_in_plain_words(
    app: InProcess, body: dict[str, Any], told: str
) -> None:
    assert told in (await post(app.client, "/server/query", 400, **body))["response"]


async def test_a_model_that_writes_no_questions_is_reported(start: Start) -> None:
    async with start([Turn(text="I would rather not.")]) as scripted:
        await post(scripted.app.client, "/server/follow-up-questions", 502, message="Why?", dataset="none")


async def test_a_server_that_only_quotes_asks_about_what_the_documents_treat(app: InProcess) -> None:
    collection = await app.dataset("garden")
    text = b"# Watering\n\nWater the tomatoes at dawn.\n\n# Pruning\n\nPrune the tomatoes in June.\n"
    sent = await app.client.post(
        "/server/train-with-file", files={"file": ("garden.md", text)}, data={"dataset": "garden"}
    )
    assert sent.status_code == 200
    await app.settled(collection)
    wanted: dict[str, Any] = {"message": "How do I care for tomatoes?", "dataset": "garden"}
    answer = await post(app.client, "/server/follow-up-questions", **wanted)
    assert 3 <= len(answer["message"]) <= 5
    assert all(question.endswith("?") for question in answer["message"])
    assert len(set(answer["message"])) == len(answer["message"])
    assert any("Watering" in question for question in answer["message"])
    logged = (await app.client.post("/user/get-user-logs", json={"limit": 1})).json()["response"][0]
    assert (logged["uuid"], logged["model"]) == (answer["uuid"], "extractive")
    again = await app.client.get("/server/follow-up-questions", params=wanted)
    assert again.json()["message"] == answer["message"]


async def test_without_model_and_documents_a_language_model_is_asked_for(app: InProcess) -> None:
    refused = await post(app.client, "/server/follow-up-questions", 400, message="Why?", dataset="none")
    assert "language model" in refused["response"]
    await post(app.client, "/server/follow-up-questions", 400, message="Why?", model="no-such-model")
    await post(app.client, "/server/follow-up-questions", 400)


async def test_the_word_none_switches_datasets_and_tools_off(start: Start) -> None:
    async with start([Turn(text="Yes."), Turn(text="Yes.")]) as scripted:
        client = scripted.app.client
        await scripted.app.dataset("switch")
        content = {"content": "The notice period is three months.", "force_dataset": "switch"}
        assert (await client.post("/server/train", json=content)).status_code == 200
        question: dict[str, Any] = {"message": "How long is the notice period?"}
        assert (await post(client, "/server/query", **question))["references"] != ""
        tools = [{"name": "look", "parameters": {"type": "object"}}]
        off = await post(client, "/server/query", dataset="none", tools=tools, tool_choice="none", **question)
        assert off["references"] == ""
        choice = scripted.model.requests[-1].tool_choice
        assert choice is not None
        assert choice.mode == "none"
