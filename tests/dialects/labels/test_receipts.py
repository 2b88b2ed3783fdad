"""Receipts, what is left of limits, and limits by HTTP."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.dialects.labels.label_steps import QUESTION, House, house

from dragoman.domain.accounts.admin import NewUser

_DAY = {"scope": "user", "measure": "tokens", "period": "day", "amount": 100_000}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[House]:
    async with house(tmp_path) as running:
        yield running


async def _limit(here: House, **changes: Any) -> dict[str, Any]:
    made = await here.client.post("/api/v1/limits", json={**_DAY, **changes})
    assert made.status_code == 200, made.text
    return dict(made.json())


async def _colleague(here: House) -> dict[str, str]:
    """The header of somebody in the same organisation who does not administer it."""
    accounts = here.app.running.services.accounts
    admin, organisation = accounts.admin, (await accounts.user(here.caller())).organisation
    await admin.create_user(NewUser("ann@example.org", role="editor", organisation=organisation))
    return {"authorization": f"Bearer {(await admin.create_key('ann@example.org', 'test'))[1]}"}


async def _receipt(here: House, answer: httpx.Response) -> dict[str, Any]:
    shown = await here.client.get(f"/api/v1/receipts/{answer.headers['x-dragoman-receipt']}")
    assert shown.status_code == 200, shown.text
    return dict(shown.json())


async def test_a_receipt_tells_what_was_used_the_way_the_documents_and_the_decisions(here: House) -> None:
    limit = await _limit(here)
    gateway = await here.gateway("house")
    shown = await _receipt(here, await here.ask(gateway, QUESTION))
    (line,) = shown["lines"]
    assert (line["model"], line["promptTokens"], line["completionTokens"], line["status"]) == (
        "house",
        20,
        8,
        200,
    )
    (told,) = shown["answers"]
    assert told["agent"]["id"] == gateway
    assert told["route"] == {"asked": "house", "answered": "house", "complexity": None, "tried": []}
    assert [document["label"] for document in told["documents"]] == ["SECRET"]
    assert told["labels"] == ["SECRET"]
    kinds = {(one["kind"], one.get("point")) for one in told["decisions"]}
    assert kinds == {("label", "retrieve"), ("label", "infer"), ("limit", None)}
    (reserved,) = [one for one in told["decisions"] if one["kind"] == "limit"]
    assert (reserved["limit"], reserved["settled"]) == (limit["id"], 28)
    assert reserved["reserved"] >= 28


async def test_a_refusal_by_a_label_is_in_the_receipt_of_the_request(here: House) -> None:
    answer = await here.ask(await here.gateway("cloud"), QUESTION)
    assert answer.status_code == 403
    shown = await here.client.get(f"/api/v1/receipts/{answer.headers['x-request-id']}")
    (told,) = shown.json()["answers"]
    refused = [one for one in told["decisions"] if not one["allowed"]]
    assert [(one["label"], one["policy"]) for one in refused] == [("SECRET", "never to a provider outside")]
    assert shown.json()["lines"] == []


async def test_anothers_receipt_is_not_there(here: House) -> None:
    answer = await here.ask("house", QUESTION)
    path = f"/api/v1/receipts/{answer.headers['x-dragoman-receipt']}"
    assert (await here.client.get(path)).status_code == 200
    assert (await here.app.stranger.get(path)).status_code == 404
    assert (await here.client.get(f"/api/v1/receipts/{uuid4()}")).status_code == 404
    assert (await here.client.get("/api/v1/receipts/none")).status_code == 400
    assert (await here.app.nobody.get(path)).status_code == 401


async def test_receipts_are_listed_latest_first_and_only_ones_own(here: House) -> None:
    first = await here.ask("house", QUESTION)
    second = await here.ask(await here.gateway("house"), QUESTION)
    listed = (await here.client.get("/api/v1/receipts")).json()
    wanted = [answer.headers["x-dragoman-receipt"] for answer in (second, first)]
    assert [one["id"] for one in listed] == wanted
    assert [one["models"] for one in listed] == [["house"], ["house"]]
    assert (await here.app.stranger.get("/api/v1/receipts")).json() == []
    assert [one["id"] for one in (await here.client.get("/api/v1/receipts?limit=1")).json()] == wanted[:1]


async def test_everybody_is_told_what_is_left_and_until_when(here: House) -> None:
    await _limit(here)
    await here.ask("house", QUESTION)
    (mine,) = (await here.client.get("/api/v1/usage/limits")).json()
    assert (mine["spent"], mine["left"], mine["amount"]) == (28, 99_972, 100_000)
    assert "99,972 tokens until" in mine["sentence"]
    assert (await here.app.stranger.get("/api/v1/usage/limits")).json() == []
    colleague = await _colleague(here)
    (theirs,) = (await here.client.get("/api/v1/usage/limits", headers=colleague)).json()
    assert theirs["spent"] == 0


async def test_administrators_set_list_and_remove_limits_and_nobody_else(here: House) -> None:
    made = await _limit(here, scope="organisation", measure="usd", amount=2.5, hard=False)
    assert (made["amount"], made["hard"], made["setByOperator"]) == (2.5, False, False)
    again = await _limit(here, scope="organisation", measure="usd", amount=3, hard=False)
    listed = (await here.client.get("/api/v1/limits")).json()
    assert [(one["id"], one["amount"], one["spent"]) for one in listed] == [(again["id"], 3, 0)]
    assert (await here.app.stranger.get("/api/v1/limits")).json() == []
    path = f"/api/v1/limits/{again['id']}"
    assert (await here.app.stranger.delete(path)).status_code == 404
    colleague = await _colleague(here)
    for method, where in (("GET", "/api/v1/limits"), ("POST", "/api/v1/limits"), ("DELETE", path)):
        refused = await here.client.request(method, where, headers=colleague, json=_DAY)
        assert refused.status_code == 403, refused.text
    assert (await here.client.delete(f"/api/v1/limits/{uuid4()}")).status_code == 404
    assert (await here.client.delete(f"/api/v1/limits/{again['id']}")).status_code == 200
    assert (await here.client.get("/api/v1/limits")).json() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scope": "everybody"}, "scope"),
        ({"amount": -1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"period": "year"}, "period"),
        ({"scope": "organisation", "subject": "x"}, "subject"),
        ({"gateway": "x"}, "gateway"),
        ({"amount": None}, "amount"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused_by_its_field(
    here: House, changes: dict[str, Any], told: str
) -> None:
    refused = await here.client.post("/api/v1/limits", json={**_DAY, **changes})
    assert refused.status_code == 400, refused.text
    assert told in refused.text


async def test_a_subject_that_is_not_there_is_not_found(here: House) -> None:
    refused = await here.client.post("/api/v1/limits", json={**_DAY, "subject": "nobody@example.org"})
    assert refused.status_code == 404, refused.text


async def test_a_limit_set_by_http_is_obeyed_at_once(here: House) -> None:
    await _limit(here, amount=10)
    # The last answer may go over by what was reserved for it.
    await here.ask("house", QUESTION)
    refused = await here.ask("house", QUESTION)
    assert refused.status_code == 402, refused.text
    assert "10 tokens a day" in refused.text
