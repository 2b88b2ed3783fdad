"""A model that fails before it said anything is stood in for by another, as far as labels let it; the receipt tells."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.dialects.labels.label_steps import QUESTION, House, house

_FALLBACKS = {"broken": ["cloud", "house"], "house": ["cloud"]}


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
