"""The shape of answers: bare or wrapped, and one shape for every error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aivax_server import Dialect
from structlog.contextvars import bound_contextvars

from dragoman.dialects.aivax.errors import render
from dragoman.dialects.aivax.manifest import OPERATIONS
from dragoman.kit import errors

WRAPPED = {"X-Response-Envelope": "wrapped"}
UNKNOWN = "01986000-0000-7000-8000-000000000000"


async def test_answers_are_bare_unless_the_header_asks_for_the_wrapper(
    dialect: Dialect, collection: str
) -> None:
    client = dialect.client
    for address in ("/api/v1/collections", "/api/v1/ai-gateways", f"/api/v1/collections/{collection}"):
        bare = (await client.get(address)).json()
        wrapped = (await client.get(address, headers=WRAPPED)).json()
        assert wrapped == {"message": None, "data": bare}
    body = {"term": "x", "collections": [collection]}
    assert (await client.post("/api/v1/query", json=body)).json() == []
    wrapped = (await client.post("/api/v1/query", json=body, headers=WRAPPED)).json()
    assert wrapped == {"message": None, "data": []}
    said = await client.delete(f"/api/v1/collections/{collection}", headers=WRAPPED)
    assert said.json() == {"message": "Collection deleted successfully", "data": None}


async def test_the_setting_wraps_everything_but_exports_and_errors(start: Callable[..., Any]) -> None:
    async with start(aivax={"response_envelope": "wrapped"}) as dialect:
        made = await dialect.client.post("/api/v1/collections", json={"collectionName": "x"})
        collection = made.json()["data"]["collectionId"]
        exported = await dialect.client.get(f"/api/v1/collections/{collection}/export.jsonl")
        assert exported.content == b""
        missing = await dialect.client.get(f"/api/v1/collections/{UNKNOWN}")
        assert set(missing.json()) == {"error", "details"}
        bare = await dialect.client.get("/api/v1/collections", headers={"X-Response-Envelope": "bare"})
        assert isinstance(bare.json(), list)


async def test_errors_keep_their_shape_where_answers_are_wrapped(dialect: Dialect) -> None:
    broken = {"content": b"{", "headers": {**WRAPPED, "Content-Type": "application/json"}}
    for refused in (
        await dialect.client.get("/api/v1/nothing", headers=WRAPPED),
        await dialect.client.put("/api/v1/collections", headers=WRAPPED),
        await dialect.client.post("/api/v1/collections", **broken),
        await dialect.client.post("/api/v1/query", json={}, headers=WRAPPED),
        await dialect.visitor.get("/api/v1/collections", headers=WRAPPED),
        await dialect.visitor.get("/api/v1/public/chat-clients/none", headers=WRAPPED),
    ):
        assert set(refused.json()) == {"error", "details"}


@pytest.mark.parametrize(
    ("verb", "path", "kwargs", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/collections/", {}, 404),
        ("PATCH", "/collections", {}, 405),
        ("GET", "/query", {}, 405),
        ("POST", "/collections", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/collections", {"content": b"", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/collections", {"json": ["x"]}, 400),
        ("POST", "/collections", {"json": None}, 400),
        ("POST", "/collections", {"content": b'{"collectionName": "\\ud800"}'}, 400),
        ("POST", "/collections", {"content": b"\xff"}, 400),
        ("POST", "/collections", {"data": {"collectionName": "x"}}, 415),
        ("POST", "/collections", {"json": {"collectionName": "x", "tags": [1]}}, 400),
        ("POST", "/collections", {"json": {"collectionName": "x" * 256}}, 400),
        ("GET", "/collections?limit=10001", {}, 400),
        ("POST", "/auth/login", {"json": {}}, 400),
    ],
)
async def test_every_refusal_has_the_one_shape(
    dialect: Dialect, verb: str, path: str, kwargs: dict[str, Any], status: int
) -> None:
    response = await dialect.client.request(verb, f"/api/v1{path}", **kwargs)
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error", "details"}
    assert isinstance(body["error"], str)
    assert body["details"] is None or isinstance(body["details"], dict)


async def test_a_wrong_verb_names_the_right_ones(dialect: Dialect) -> None:
    response = await dialect.client.get("/api/v1/query")
    assert response.headers["allow"] == "POST"


async def test_json_is_taken_without_a_content_type_and_with_a_byte_order_mark(dialect: Dialect) -> None:
    body = b'\xef\xbb\xbf{"collectionName": "x", "unknown": 1}'
    assert (await dialect.client.post("/api/v1/collections", content=body)).status_code == 200


async def test_a_body_above_the_bound_is_413(start: Callable[..., Any]) -> None:
    async with start(server={"max_body_bytes": 1024}) as dialect:
        body = {"collectionName": "x", "context": "y" * 2000}
        assert (await dialect.client.post("/api/v1/collections", json=body)).status_code == 413


async def test_an_unknown_failure_is_500_with_an_id_and_no_detail(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*args: object) -> None:
        raise RuntimeError("secret inner state")

    monkeypatch.setattr(type(dialect.services.collections), "visible", broken)
    with bound_contextvars(request_id="the-id"):
        response = await dialect.client.get("/api/v1/collections")
    assert response.status_code == 500
    assert response.json() == {
        "error": "The server failed to carry this out.",
        "details": {"requestId": "the-id"},
    }
    assert "the-id" in capsys.readouterr().out


async def test_strangers_learn_nothing_before_they_are_known(dialect: Dialect) -> None:
    dialect.client.headers.pop("Authorization")
    for verb, path in (("GET", "/collections/nonsense"), ("POST", "/ai-gateways"), ("PUT", "/accounts")):
        response = await dialect.client.request(verb, f"/api/v1{path}", content=b"{")
        assert response.status_code == 401


@pytest.mark.parametrize("kind", errors.DragomanError.__subclasses__())
def test_every_kind_of_error_has_its_status_and_the_published_body(kind: type[errors.DragomanError]) -> None:
    status, headers, body = render(kind("What went wrong."))
    assert status == kind.status
    assert body == {"error": "What went wrong.", "details": None}
    assert ("WWW-Authenticate" in headers) == (status == 401)


def test_waiting_time_is_told_in_whole_seconds() -> None:
    _, headers, _ = render(errors.QuotaExceeded("Slower.", retry_after_seconds=0.2))
    assert headers["Retry-After"] == "1"
    _, headers, _ = render(errors.QuotaExceeded("Slower.", retry_after_seconds=1.2))
    assert headers["Retry-After"] == "2"


def _routed(dialect: Dialect) -> set[tuple[str, str]]:
    return {
        (verb.upper(), "/api/v1" + _shape(path))
        for path, verbs in dialect.app.openapi()["paths"].items()
        for verb in verbs
    }


def _shape(path: str) -> str:
    return "/".join("{}" if part[:1] == "{" else part for part in path.split("/"))


async def test_the_manifest_has_all_published_operations_and_tells_the_truth(dialect: Dialect) -> None:
    assert len(OPERATIONS) == 65
    assert len({(one.verb, one.path) for one in OPERATIONS}) == 65
    routed = _routed(dialect)
    here = {(one.verb, _shape(one.path)) for one in OPERATIONS if one.status == "implemented"}
    later = {(one.verb, _shape(one.path)) for one in OPERATIONS if one.status == "planned"}
    assert len(here) == 63
    assert here <= routed
    assert not later & routed


def test_the_reference_page_lists_every_operation_with_its_status() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "aivax.md").read_text()
    words = {"implemented": "implemented", "planned": "planned", "openai": "OpenAI dialect"}
    for one in OPERATIONS:
        rows = [line for line in page.splitlines() if f" {one.verb} `{one.path}`" in line]
        assert len(rows) == 1, one
        assert rows[0].endswith(f"| {words[one.status]} |")


async def test_every_implemented_operation_is_answered_by_its_own_handler(dialect: Dialect) -> None:
    dialect.client.headers.pop("Authorization")
    for one in OPERATIONS:
        if one.status == "implemented" and one.group != "Public chat client":
            path = "/".join(UNKNOWN if part[:1] == "{" else part for part in one.path.split("/"))
            response = await dialect.client.request(one.verb, path)
            assert response.status_code == 401, (one.verb, path)


async def test_the_openapi_document_describes_bodies(dialect: Dialect) -> None:
    document = (await dialect.client.get("/api/v1/openapi.json")).json()
    body = document["paths"]["/ai-gateways"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    strategy = body["properties"]["parameters"]["properties"]["queryStrategy"]
    assert "QueryFunction" in strategy["enum"]
    assert body["properties"]["parameters"]["required"] == ["baseAddress", "modelName"]
