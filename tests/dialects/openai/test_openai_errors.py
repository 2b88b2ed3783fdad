"""Whatever is wrong with a request is said in this dialect's own shape, naming the place."""

from typing import Any

import pytest
from tests.e2e.in_process import InProcess

_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
_HELLO = [{"role": "user", "content": "Hello"}]


def error_of(answer: Any, status: int) -> dict[str, Any]:
    """The error object, once status and shape are right."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"model": "extractive",}'])
async def test_malformed_json_is_refused_as_such(app: InProcess, path: str, body: bytes) -> None:
    error = error_of(await app.client.post(path, content=body), 400)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "user"}, {"role": "king", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]},
            "messages[0].content[0].text",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0]"),
        ({"temperature": 9}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"tools": _TOOLS, "tool_choice": {"type": "function", "function": {"name": "nobody"}}},
            "tool_choice",
        ),
        ({"prompt": "and a prompt"}, "prompt"),
        ({"n": 2}, "n"),
    ],
)
async def test_a_wrong_field_is_named_by_its_path(
    app: InProcess, changed: dict[str, Any], param: str
) -> None:
    body = {"model": "extractive", "messages": _HELLO, **changed}
    body = {name: value for name, value in body.items() if value is not None}
    error = error_of(await app.client.post("/v1/chat/completions", json=body), 400)
    assert error["param"] == param
    assert param in error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_an_unknown_model_and_a_foreign_gateway_are_the_same_to_a_caller(
    app: InProcess, stream: bool
) -> None:
    parameters = {"baseAddress": "@integrated", "modelName": "extractive", "systemInstruction": "x"}
    made = await app.client.post("/api/v1/ai-gateways", json={"name": "mine", "parameters": parameters})
    gateway = made.json()["aiGatewayId"]
    errors = []
    for name in (gateway, "no-such-model"):
        body = {"model": name, "messages": _HELLO, "stream": stream}
        errors.append(error_of(await app.stranger.post("/v1/chat/completions", json=body), 404))
    assert errors[0]["message"].replace(gateway, "no-such-model") == errors[1]["message"]
    assert {error["code"] for error in errors} == {"model_not_found"}
    assert (await app.stranger.get(f"/v1/models/{gateway}")).status_code == 404
    assert (await app.client.get(f"/v1/models/{gateway}")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1", 404), ("GET", "/v1/", 404), ("POST", "/v1/chat", 404),
     ("GET", "/v1/chat/completions", 405), ("DELETE", "/v1/models", 405), ("PUT", "/v1/embeddings", 405)],
)  # fmt: skip
async def test_unknown_paths_and_verbs_are_answered_in_the_same_shape(
    app: InProcess, method: str, path: str, status: int
) -> None:
    error_of(await app.client.request(method, path), status)


async def test_paths_of_no_dialect_are_answered_with_a_problem_document(app: InProcess) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("POST", "/health/live", 405)):
        answer = await app.client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.parametrize("key", [None, "sk-wrong", "sk-" + "x" * 61, "Bearer", "\u00e9\u00e8"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/chat/completions")])
async def test_without_a_key_in_force_nothing_is_said(
    app: InProcess, key: str | None, method: str, path: str
) -> None:
    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode("latin-1"))]
    error = error_of(await app.nobody.request(method, path, headers=headers, content=b"{"), 401)
    assert error["type"] == "authentication_error"


async def test_a_body_above_the_bound_is_refused(app: InProcess) -> None:
    limit = app.running.services.settings.server.max_body_bytes
    big = b'{"model": "' + b"x" * limit + b'"}'
    error_of(await app.client.post("/v1/chat/completions", content=big), 413)


@pytest.mark.parametrize("body", [{"input": "x"}, {"model": "m"}, {"model": "m", "input": []},
                                  {"model": "m", "input": [1, 2]}, {"model": "m", "input": ""}])  # fmt: skip
async def test_a_wrong_embeddings_request_names_its_field(app: InProcess, body: dict[str, Any]) -> None:
    error = error_of(await app.client.post("/v1/embeddings", json=body), 400)
    assert error["param"] in ("model", "input")


async def test_without_an_embedder_embeddings_say_why(app: InProcess) -> None:
    error = error_of(await app.client.post("/v1/embeddings", json={"model": "m", "input": "x"}), 503)
    assert "embedding.provider" in error["message"]


async def test_a_failure_nobody_foresaw_is_a_500_that_tells_nothing(
    app: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(app.running.services.runner), "resolve", fails)
    for path, body in (
        ("/v1/chat/completions", {"model": "extractive", "messages": _HELLO}),
        ("/server/query", {"message": "x"}),
    ):
        answer = await app.client.post(path, json=body)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"]
