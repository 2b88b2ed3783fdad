"""A model that fails before it said anything is stood in for by another, as far as labels let it; the receipt tells."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.dialects.labels.label_steps import QUESTION, House, house

_FALLBACKS = {"broken": ["cloud", "house"], "house": ["cloud"]}
_MEDIA = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[House]:
    async with house(tmp_path, fallbacks=_FALLBACKS) as running:
        yield running


async def _receipt(here: House, answer: httpx.Response) -> dict[str, Any]:
    shown = await here.client.get(f"/api/v1/receipts/{answer.headers['x-dragoman-receipt']}")
    assert shown.status_code == 200, shown.text
    return dict(shown.json())


@pytest.mark.parametrize("stream", [False, True])
async def test_another_model_answers_and_the_receipt_tells_which_failed(here: House, stream: bool) -> None:
    answer = await here.ask("broken", "Hello?", stream=stream)
    assert answer.status_code == 200, answer.text
    assert "It is 4711 days" in answer.text
    told = await _receipt(here, answer)
    (part,) = told["answers"]
    assert part["route"]["answered"] == "cloud"
    assert [one["model"] for one in part["route"]["tried"]] == ["broken"]
    assert [(line["model"], line["status"] < 300) for line in told["lines"]] == [
        ("broken", False),
        ("cloud", True),
    ]
    assert here.inside.seen == ""


async def test_a_label_keeps_a_stand_in_outside_from_being_asked(here: House) -> None:
    answer = await here.ask(await here.gateway("broken"), QUESTION)
    assert answer.status_code == 200, answer.text
    assert here.outside.seen == ""
    assert (await _receipt(here, answer))["answers"][0]["route"]["answered"] == "house"


async def test_a_limit_that_is_used_up_is_no_failure_of_the_model(here: House) -> None:
    limit = {"scope": "organisation", "measure": "requests", "period": "day", "amount": 1, "hard": True}
    assert (await here.client.post("/api/v1/limits", json=limit)).status_code == 200
    assert (await here.ask("house", "Hello?")).status_code == 200
    answer = await here.ask("broken", "Hello?")
    assert answer.status_code in (402, 429), answer.text
    assert here.outside.seen == ""


@pytest.mark.parametrize("others", [["cloud", "house"], ["cloud"]])
async def test_a_stand_in_that_a_limit_forbids_is_passed_over(tmp_path: Path, others: list[str]) -> None:
    dear = {"models": {"cloud": {"input": 1_000_000, "output": 1_000_000}}}
    limit = {"scope": "organisation", "measure": "usd", "period": "day", "amount": 1, "hard": True}
    async with house(tmp_path, fallbacks={"broken": others}, prices=dear) as here:
        assert (await here.client.post("/api/v1/limits", json=limit)).status_code == 200
        assert (await here.ask("cloud", "Hello?")).status_code == 200
        answer = await here.ask("broken", "Hello?")
        assert len(here.outside.bodies) == 1
        if others == ["cloud"]:
            assert answer.status_code == 502, answer.text
            assert answer.json()["error"]["code"] == "provider_error"
        else:
            assert answer.status_code == 200, answer.text
            assert (await _receipt(here, answer))["answers"][0]["route"]["answered"] == "house"


async def test_no_model_that_takes_only_text_stands_in_where_there_are_pictures(tmp_path: Path) -> None:
    async with house(tmp_path, fallbacks={"broken": ["house", "cloud"]}) as here:
        body = {"model": "broken", "messages": [{"role": "user", "content": _MEDIA}]}
        answer = await here.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        assert here.inside.seen == ""
        assert "iVBORw0KGgo=" in here.outside.seen
