"""Searching the web and reading pages over the AIVAX dialect."""

import base64
import json
from collections.abc import AsyncGenerator, Iterator

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.fake_web import FakeWeb


@pytest.fixture(scope="module")
def web() -> Iterator[FakeWeb]:
    with FakeWeb() as web:
        yield web


@pytest.fixture(scope="module")
async def app(
    tmp_path_factory: pytest.TempPathFactory, web: FakeWeb, anyio_backend: str
) -> AsyncGenerator[InProcess]:
    settings = settings_in(
        tmp_path_factory.mktemp("aivax-web") / "data",
        search={"provider": "searxng", "url": web.origin, "cache_seconds": 0},
        egress={"allow": ["127.0.0.1"]},
    )
    async with in_process(settings) as running:
        yield running


async def test_a_search_gives_results_within_the_domains(app: InProcess, web: FakeWeb) -> None:
    rows = [
        {"title": "Other", "url": "https://other.example/", "content": "x"},
        {"title": "Rules", "url": "https://www.port.example/rules", "content": "Hours"},
    ]
    web.page("/search", json.dumps({"results": rows}), "application/json")
    body = {"query": "harbour", "topn": 5, "language": "en", "includeDomains": ["https://port.example/"]}
    answer = await app.client.post("/api/v1/web/search", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == [
        {"index": 0, "title": "Rules", "url": "https://www.port.example/rules", "description": "Hours"}
    ]
    assert web.asked[-1].query["q"] == "harbour site:port.example"


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "query"), ({"query": "a", "topn": 26}, "topn"), ({"query": "a", "country": "x"}, "country")],
)
async def test_a_search_that_is_not_right_names_the_field(
    app: InProcess, body: dict[str, object], param: str
) -> None:
    answer = await app.client.post("/api/v1/web/search", json=body)
    assert answer.status_code == 400
    assert param in answer.text


async def test_contents_are_read_each_with_its_own_error(app: InProcess, web: FakeWeb) -> None:
    page = web.page("/rules", "<title>Rules</title><p>The harbour opens at six.</p>")
    inline = "data:text/csv;base64," + base64.b64encode(b"a,b\n1,2\n").decode()
    contents = [page, "http://10.0.0.1/", inline, "data:text/plain,plain%20text", "data:nothing"]
    answer = await app.client.post("/api/v1/web/fetch", json={"contents": contents})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [one["extractedText"] for one in results] == [
        "The harbour opens at six.",
        None,
        "a,b\n1,2",
        "plain text",
        None,
    ]
    assert [one["processingUnits"] for one in results] == [1, 0, 1, 1, 0]
    assert "may not be called" in results[1]["error"]
    quiet = {"contents": contents, "returnErrors": False}
    answer = await app.client.post("/api/v1/web/fetch", json=quiet)
    assert [one["index"] for one in answer.json()["results"]] == [0, 2, 3]


async def test_a_stranger_searches_nothing(app: InProcess) -> None:
    for path in ("search", "fetch"):
        assert (await app.nobody.post(f"/api/v1/web/{path}", json={})).status_code == 401
