"""What clients do to verbs and paths: HEAD, slashes at the end and in the middle, keys in other headers."""

from collections.abc import AsyncGenerator

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path_factory.mktemp("paths") / "data")) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/collections", "/server/get-models", "/health/live"])
async def test_head_gives_the_head_of_what_get_gives(app: InProcess, path: str) -> None:
    whole = await app.client.get(path)
    head = await app.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]


async def test_head_of_what_is_not_there_is_404(app: InProcess) -> None:
    assert (await app.client.head("/api/v1/nothing")).status_code == 404
    assert (await app.client.head("/v1/chat/completions")).status_code == 405
    assert (await app.nobody.head("/api/v1/collections")).status_code == 401


async def test_head_of_an_export_in_pieces_ends(app: InProcess) -> None:
    made = await app.client.post("/api/v1/collections", json={"collectionName": "x"})
    head = await app.client.head(f"/api/v1/collections/{made.json()['collectionId']}/export.jsonl")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/",
        "/v1//models",
        "/api/v1/collections/",
        "/api/v1//collections",
        "/api//v1/ai-gateways//",
        "/server//get-models",
        "/user/get-user-logs/",
    ],
)
async def test_slashes_too_many_are_passed_over(app: InProcess, path: str) -> None:
    assert (await app.client.get(path)).status_code == 200


async def test_completions_are_found_with_slashes_too_many(app: InProcess) -> None:
    body = {"model": "extractive", "messages": [{"role": "user", "content": "x"}]}
    for path in ("/v1/chat/completions/", "/v1//chat/completions"):
        assert (await app.client.post(path, json=body)).status_code == 200


@pytest.mark.parametrize("name", ["api-key", "x-api-key", "x-access-tokens"])
@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/collections", "/server/get-models"])
async def test_a_key_is_found_in_every_header_that_clients_use(app: InProcess, name: str, path: str) -> None:
    assert (await app.nobody.get(path, headers={name: API_KEY})).status_code == 200
    assert (await app.nobody.get(path, headers={name: "sk-wrong"})).status_code in (400, 401)
