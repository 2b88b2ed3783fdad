"""The web in answers of the Ask Sage dialect: searched, read, cited, and never a failure."""

import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from asksage_scripted import Scripted, scripted_app
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.fake_web import FakeWeb

from dragoman.adapters.models.scripted import Rule, Script
from dragoman.bootstrap import knowing
from dragoman.bootstrap.models import open_catalogue

ARTICLE = (
    "<title>Rules</title><article><p>The harbour opens at six in the morning on every day.</p></article>"
)
SCRIPT = Script(rules=(Rule(match="opens at six in the morning", text="It opens at six."),))


@pytest.fixture(scope="module")
def web() -> Iterator[FakeWeb]:
    with FakeWeb() as web:
        yield web


@pytest.fixture(autouse=True)
def results(web: FakeWeb) -> None:
    web.asked.clear()
    web.routes.clear()
    rows = [
        {"title": "Rules", "url": web.page("/rules", ARTICLE), "content": "When the\nharbour opens"},
        {"title": "Gone", "url": f"{web.origin}/gone", "content": "No longer there"},
        *({"title": f"T{n}", "url": f"{web.origin}/t{n}", "content": f"About {n}"} for n in range(20)),
    ]
    web.page("/search", json.dumps({"results": rows}), "application/json")


def groups_of(web: FakeWeb) -> dict[str, Any]:
    return {
        "search": {"provider": "searxng", "url": web.origin, "cache_seconds": 0},
        "egress": {"allow": ["127.0.0.1"]},
    }


@pytest.fixture(scope="module")
async def scripted(
    tmp_path_factory: pytest.TempPathFactory, web: FakeWeb, anyio_backend: str
) -> AsyncGenerator[Scripted]:
    with pytest.MonkeyPatch.context() as patch:
        async with scripted_app(
            tmp_path_factory.mktemp("live") / "data", patch, SCRIPT, **groups_of(web)
        ) as app:
            yield app


async def ask(app: InProcess, **fields: Any) -> dict[str, Any]:
    body = {"message": "When does the harbour open?", "dataset": "none", **fields}
    answer = await app.client.post("/server/query", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_results_of_a_search_are_references_and_before_the_model(
    scripted: Scripted, web: FakeWeb
) -> None:
    answer = await ask(scripted.app, live=1)
    lines = answer["references"].split("\n")
    assert len(lines) == 10
    link = f"{web.origin}/rules"
    assert (
        lines[0]
        == f"[1] Article Title: Rules - Link: {link} - Article Description: When the harbour opens - "
    )
    assert answer["added_obj"]["live"] == {"enabled": True, "results": 10}
    assert "[1] (Rules)\nWhen the harbour opens" in scripted.model.requests[-1].messages[-1].text
    assert [asked.path for asked in web.asked] == ["/search"]
    assert web.asked[0].query["q"] == "When does the harbour open?"


async def test_with_live_2_the_first_two_pages_are_read_and_summarised(
    scripted: Scripted, web: FakeWeb
) -> None:
    answer = await ask(scripted.app, live=2)
    lines = answer["references"].split("\n")
    assert lines[0].endswith(
        "Article Description: When the harbour opens - Web Description: It opens at six."
    )
    assert "Web Description" not in "".join(lines[1:])
    assert {asked.path for asked in web.asked} == {"/search", "/rules", "/gone"}


async def test_results_are_numbered_behind_the_passages_of_datasets(scripted: Scripted) -> None:
    await scripted.app.dataset("port")
    body = {"content": "The harbour opens in the port office.", "force_dataset": "port"}
    assert (await scripted.app.client.post("/server/train", json=body)).status_code == 200
    answer = await ask(scripted.app, live=1, dataset="port")
    lines = answer["references"].split("\n")
    assert "port office" in lines[0]
    assert lines[1].startswith("[2] Article Title: Rules")
    assert len(lines) == 11


@pytest.mark.parametrize("fields", [{}, {"live": 0}, {"live": 2, "limit_references": 0}])
async def test_nothing_is_searched_when_live_is_off(
    scripted: Scripted, web: FakeWeb, fields: dict[str, Any]
) -> None:
    answer = await ask(scripted.app, **fields)
    assert answer["references"] == ""
    assert web.asked == []
    if fields.get("live"):
        assert answer["added_obj"]["live"]["enabled"] is False
    else:
        assert answer["added_obj"] is None


async def test_a_search_that_fails_is_said_and_fails_nothing(scripted: Scripted, web: FakeWeb) -> None:
    web.page("/search", "down", "text/plain", status=404)
    answer = await ask(scripted.app, live=2)
    assert answer["references"] == ""
    assert answer["added_obj"]["live"]["enabled"] is False
    assert "status 404" in answer["added_obj"]["live"]["reason"]


async def test_an_answer_in_pieces_has_the_same_references(scripted: Scripted) -> None:
    body = {"message": "When does the harbour open?", "dataset": "none", "live": 1, "streaming": True}
    answer = await scripted.app.client.post("/server/query", json=body)
    done = json.loads(answer.text.strip().split("\n")[-1])
    assert done["type"] == "done"
    assert done["references"].startswith("[1] Article Title: Rules")


@pytest.fixture
def usual_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models that a server has by itself."""
    monkeypatch.setattr(knowing, "open_catalogue", open_catalogue)


@pytest.mark.usefixtures("usual_models")
async def test_a_model_that_only_quotes_quotes_the_web(tmp_path: Path, web: FakeWeb) -> None:
    async with in_process(settings_in(tmp_path / "data", **groups_of(web))) as app:
        answer = await ask(app, live=2)
    assert "six in the morning" in answer["message"]
    assert "Web Description: " in answer["references"].split("\n")[0]


@pytest.mark.parametrize(("groups", "said"), [({}, "search.provider"), ({"offline": True}, "offline")])
async def test_without_a_provider_or_offline_the_answer_says_so(
    tmp_path: Path, groups: dict[str, Any], said: str
) -> None:
    async with in_process(settings_in(tmp_path / "data", **groups)) as app:
        answer = await ask(app, live=1)
    assert answer["references"] == ""
    assert answer["added_obj"]["live"]["enabled"] is False
    assert said in answer["added_obj"]["live"]["reason"]
