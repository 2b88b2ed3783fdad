"""Every published operation, walked by the project's own manifest: success, refusal, credentials, verbs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.dialects.asksage.asksage_scripted import scripted_app
from tests.dialects.asksage.colleagues import colleague
from tests.e2e.in_process import InProcess
from tests.e2e.server import API_KEY, EMAIL

from dragoman.adapters.models.scripted import Rule, Script
from dragoman.dialects.asksage.app import served
from dragoman.dialects.asksage.manifest import PUBLISHED, Published
from dragoman.dialects.asksage.operation import Operation

_QUESTIONS = '["What is due?", "Who decides?", "Until when?", "What does it cost?"]'
_NOTES = {"file": ("notes.txt", b"The keeper drinks tea at five.", "text/plain")}
# The parts of others' operations that need a service outside are tested where these are.
_ELSEWHERE = {
    "get-text-to-speech",
    "execute-plugin",
    "execute-plugin-with-file",
    "get-deep-agent",
    "add-mcp-server",
    "update-mcp-server",
    "delete-mcp-server",
}


@dataclass
class Walk:
    """The application, a colleague of its user, and values that requests need."""

    app: InProcess
    colleague: httpx.AsyncClient
    uuid: str = ""

    async def send(
        self, client: httpx.AsyncClient, verb: str, path: str, sent: Mapping[str, Any]
    ) -> httpx.Response:
        """One request: a form where a file comes along, else JSON."""
        if "parts" in sent:
            return await client.request(verb, path, data=sent.get("data"), files=sent["parts"])
        if verb == "GET":
            return await client.request(verb, path, params=sent)
        return await client.request(verb, path, json=dict(sent))


@pytest.fixture(scope="module")
async def walk(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Walk]:
    rules = (Rule(match="follow-up questions", text=_QUESTIONS), Rule(match="", text="Tea."))
    with pytest.MonkeyPatch.context() as patch:
        async with (
            scripted_app(tmp_path_factory.mktemp("walk") / "data", patch, Script(rules=rules)) as scripted,
            AsyncExitStack() as stack,
        ):
            made = Walk(scripted.app, await colleague(scripted.app, stack, "bob@example.org"))
            client = scripted.app.client
            for name in ("kept", "spare", "other"):
                assert (await client.post("/user/add-dataset", json={"dataset": name})).status_code == 200
            for name in ("kept", "spare"):
                body = {"data": ["The lamp is red."], "dataset": name, "filename": "lamp.txt"}
                assert (await client.post("/server/train-with-array", json=body)).status_code == 200
            answer = await client.post("/server/query", json={"message": "What?", "dataset": "none"})
            made.uuid = answer.json()["uuid"]
            yield made


def _request(walk: Walk, one: Published) -> Mapping[str, Any]:
    """A request that succeeds."""
    files = {"parts": _NOTES, "data": {"message": "What does the keeper drink?", "dataset": "kept"}}
    copied = [{"filename": "lamp.txt", "source_string": "kept"}]
    return {
        "tokenizer": {"content": "Who keeps the lighthouse?"},
        "file": {"parts": _NOTES},
        "train": {"content": "The keeper drinks tea.", "force_dataset": "kept"},
        "query": {"message": "What does the keeper drink?", "usage": True},
        "query-with-file": files,
        "follow-up-questions": {"message": "What does the keeper drink?"},
        "dataset": {"dataset": "spare"},
        "delete-filename-from-dataset": {"dataset": "kept", "filename": "lamp.txt"},
        "copy-files-dataset": {"dataset": "other", "files": copied},
        "vote-down": {"uuid": walk.uuid},
        "train-with-file": files,
        "train-with-array": {"data": ["One.", "Two."], "dataset": "kept"},
        "get-token-with-api-key": {"email": EMAIL, "api_key": API_KEY},
        "add-dataset": {"dataset": "fresh"},
        "delete-dataset": {"dataset": "fresh"},
    }.get(one.name, {})


def _here() -> list[Published]:
    order = {"delete-filename-from-dataset": 2, "dataset": 3, "delete-dataset": 3}
    found = [one for one in PUBLISHED if one.name not in _ELSEWHERE]
    return sorted(found, key=lambda one: order.get(one.name, 1))


def test_the_manifest_has_every_published_operation_once() -> None:
    assert len(PUBLISHED) == len({(one.verb, one.path) for one in PUBLISHED}) == 38


def test_every_published_operation_is_served_by_its_verb_under_its_prefix() -> None:
    for one in PUBLISHED:
        operation = served()[one.name]
        assert one.verb in operation.methods, one
        assert one.path.split("/")[1] in operation.sections, one


@pytest.mark.parametrize("one", _here(), ids=lambda one: f"{one.verb} {one.path}")
async def test_a_published_operation_answers_as_published(walk: Walk, one: Published) -> None:
    answer = await walk.send(walk.app.client, one.verb, one.path, _request(walk, one))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(one.media_type)
    body = answer.json()
    assert set(one.keys) <= set(body)
    assert body["status"] == 200


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: f"{one.verb} {one.path}")
async def test_a_published_operation_refuses_as_published(walk: Walk, one: Published) -> None:
    if not one.public:
        nobody = await walk.send(walk.app.nobody, one.verb, one.path, _request(walk, one))
        assert nobody.status_code == 400
        assert set(nobody.json()) == {"response", "error", "status"}
    if any(field.required for field in served()[one.name].fields):
        empty = await walk.app.client.request(one.verb, one.path)
        assert empty.status_code in one.statuses - {200}, empty.text
        assert set(empty.json()) == {"response", "error", "status"}


async def test_the_codes_of_datasets_are_those_of_the_page(walk: Walk) -> None:
    for path, body, status in (
        ("add-dataset", {"dataset": "x" * 101}, 406),
        ("add-dataset", {"dataset": "CUI-plans"}, 407),
        ("add-dataset", {"dataset": "plans", "classification": "CUI"}, 407),
        ("add-dataset", {"dataset": "two words"}, 400),
        ("add-dataset", {"dataset": "kept"}, 400),
        ("delete-dataset", {}, 408),
        ("delete-dataset", {"dataset": "nowhere"}, 400),
    ):
        answer = await walk.app.client.post(f"/user/{path}", json=body)
        assert (answer.status_code, answer.json()["status"]) == (status, status), path


def _values(operation: Operation, names: Mapping[str, object]) -> dict[str, object]:
    """Whatever makes an operation reach for what the names stand for."""
    usual: dict[str, object] = {
        "text": "x", "integer": 1, "number": 0, "boolean": True, "list": ["x"], "object": {}, "json": "x",
    }  # fmt: skip
    return {
        field.name: names.get(
            field.name, field.default if field.default is not None else usual.get(field.kind)
        )
        for field in operation.fields
        if field.kind not in ("file", "files") and (field.required or field.name in names)
    }


@pytest.mark.parametrize("who", ["colleague", "stranger"])
async def test_no_operation_shows_or_changes_what_is_anothers(walk: Walk, who: str) -> None:
    ana = walk.app.client
    other = walk.colleague if who == "colleague" else walk.app.stranger
    marker = f"zanzibar-{who}"
    full = await _mine(walk, marker)
    chat = (await ana.post("/user/create-chat-session", json={"title": marker})).json()["session_id"]
    key = (await ana.post("/user/user-api-key", json={"name": marker})).json()["response"]["id"]
    persona = (await ana.post("/user/add-persona", json={"name": marker, "prompt": marker})).json()["id"]
    asked = await ana.post("/server/query", json={"message": marker, "dataset": "none"})
    assert (await ana.post("/user/set-secret", json={"name": "vault", "value": marker})).status_code == 200
    names: dict[str, object] = {
        "dataset": full,
        "force_dataset": full,
        "files": [{"filename": "m.txt", "source_string": full}],
        "filename": "m.txt",
        "session_id": chat,
        "uuid": asked.json()["uuid"],
        "persona": persona,
        "agent_id": persona,
        "streaming": False,
        "message": "What is there?",
        "email": "bob@example.org",
    }
    for name, operation in sorted(served().items()):
        for verb in sorted(operation.methods):
            values = _values(operation, names)
            if "id" in {field.name for field in operation.fields}:
                values["id"] = key if name == "user-api-key" else persona
            if "name" in {field.name for field in operation.fields} and "secret" in name:
                values["name"] = "vault"
            path = f"/{operation.sections[0]}/{name}"
            answer = await walk.send(other, verb, path, {k: v for k, v in values.items() if v is not None})
            assert answer.status_code < 500, f"{verb} {path}: {answer.text}"
            assert marker not in answer.text.replace(full, ""), f"{verb} {path}: {answer.text}"
    assert full in (await ana.post("/server/get-datasets")).json()["response"]
    files = (await ana.get("/server/get-all-files-ingested")).json()["files"]
    assert [file["filename"] for file in files if file["dataset"] == full] == ["m.txt"]
    assert (await ana.post("/user/get-chat-session", json={"session_id": chat})).json()["response"][
        "title"
    ] == marker
    assert key in [one["id"] for one in (await ana.post("/user/get-user-api-keys")).json()["response"]]
    assert persona in [one["id"] for one in (await ana.post("/server/get-personas")).json()["response"]]
    assert "vault" in (await ana.get("/server/get-secrets")).json()["response"]


async def _mine(walk: Walk, name: str) -> str:
    ana = walk.app.client
    assert (await ana.post("/user/add-dataset", json={"dataset": name})).status_code == 200
    body = {"data": [f"The word is {name}."], "dataset": name, "filename": "m.txt"}
    assert (await ana.post("/server/train-with-array", json=body)).status_code == 200
    listed = (await ana.post("/server/get-datasets")).json()["response"]
    return next(full for full in listed if name in full)
