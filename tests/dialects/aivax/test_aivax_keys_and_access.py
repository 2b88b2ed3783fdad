"""Who gets in, by which form of credential, and what keys are like."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from aivax_server import Dialect

from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import UsageContext

LIST = "/api/v1/accounts/api-key"


@pytest.mark.parametrize("form", ["bearer", "raw", "basic", "x-api-key", "query"])
async def test_a_key_is_taken_in_every_published_form(dialect: Dialect, form: str) -> None:
    basic = base64.b64encode(f"anyone:{dialect.key}".encode()).decode()
    headers = {
        "bearer": {"Authorization": f"Bearer {dialect.key}"},
        "raw": {"Authorization": dialect.key},
        "basic": {"Authorization": f"Basic {basic}"},
        "x-api-key": {"X-Api-Key": dialect.key},
        "query": {},
    }[form]
    params = {"api-key": dialect.key} if form == "query" else {}
    dialect.client.headers.pop("Authorization")

    response = await dialect.client.get(LIST, headers=headers, params=params)

    assert response.status_code == 200, response.text


async def test_a_header_wins_over_the_query(dialect: Dialect) -> None:
    response = await dialect.client.get(
        LIST, headers={"Authorization": "Bearer sk-wrong"}, params={"api-key": dialect.key}
    )
    assert response.status_code == 401


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer sk-unknown", "Basic ???", "Bearer a b"])
async def test_no_credential_or_a_wrong_one_is_401_in_the_published_shape(
    dialect: Dialect, value: str | None
) -> None:
    dialect.client.headers.pop("Authorization")
    response = await dialect.client.get(LIST, headers={} if value is None else {"Authorization": value})
    assert response.status_code == 401
    body = response.json()
    assert set(body) == {"error", "details"}
    assert isinstance(body["error"], str)


async def test_a_new_key_works_at_once_and_is_listed_by_its_end_only(dialect: Dialect) -> None:
    made = await dialect.client.post(LIST, json={"label": "ci", "duration": 30})
    key = made.json()["grantKey"]

    listed = await dialect.client.get(LIST, headers={"Authorization": f"Bearer {key}"})

    entry = next(one for one in listed.json()["apiKeys"] if one["label"] == "ci")
    assert entry["key"] == f"...{key[-6:]}"
    assert key not in listed.text
    expires = datetime.fromisoformat(entry["expiresAt"])
    assert abs(expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert listed.json()["salt"]


async def test_a_negative_duration_never_expires_and_zero_is_refused(dialect: Dialect) -> None:
    await dialect.client.post(LIST, json={"label": "forever", "duration": -1})
    listed = (await dialect.client.get(LIST)).json()["apiKeys"]
    assert next(one for one in listed if one["label"] == "forever")["expiresAt"] is None

    refused = await dialect.client.post(LIST, json={"label": "never", "duration": 0})
    assert refused.status_code == 400
    assert refused.json()["details"]["path"] == "duration"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "label"),
        ({"label": "x"}, "duration"),
        ({"label": 7, "duration": 1}, "label"),
        ({"label": "", "duration": 1}, "label"),
        ({"label": "x", "duration": "30"}, "duration"),
        ({"label": "x", "duration": True}, "duration"),
        ({"label": "x", "duration": 10**9}, "duration"),
        ({"label": "x", "duration": 1, "type": "Secret"}, "type"),
    ],
)
async def test_a_key_request_that_does_not_fit_names_the_field(
    dialect: Dialect, body: dict[str, object], path: str
) -> None:
    response = await dialect.client.post(LIST, json=body)
    assert response.status_code == 400
    assert path in response.json()["error"]
    assert response.json()["details"]["path"] == path


async def test_deleting_a_key_ends_it_and_unknown_or_foreign_ones_are_400(dialect: Dialect) -> None:
    key = (await dialect.client.post(LIST, json={"label": "short", "duration": 1})).json()["grantKey"]
    listed = (await dialect.client.get(LIST)).json()["apiKeys"]
    key_id = next(one["id"] for one in listed if one["label"] == "short")

    foreign = await dialect.stranger.delete(f"{LIST}/{key_id}")
    own = await dialect.client.delete(f"{LIST}/{key_id}")
    again = await dialect.client.delete(f"{LIST}/{key_id}")
    malformed = await dialect.client.delete(f"{LIST}/nonsense")
    after = await dialect.client.get(LIST, headers={"Authorization": f"Bearer {key}"})

    assert [foreign.status_code, own.status_code, again.status_code] == [400, 200, 400]
    assert own.json() == {"message": "API key deleted successfully."}
    assert malformed.status_code == 400
    assert after.status_code == 401


async def test_a_public_key_may_search_and_nothing_else(dialect: Dialect, collection: str) -> None:
    made = await dialect.client.post(LIST, json={"label": "web", "duration": 1, "type": "public"})
    headers = {"Authorization": f"Bearer {made.json()['grantKey']}"}

    assert (await dialect.client.get("/api/v1/collections", headers=headers)).status_code == 403
    assert (await dialect.client.get(LIST, headers=headers)).status_code == 403
    login = await dialect.client.post("/api/v1/auth/login", json={"loginKey": made.json()["grantKey"]})
    assert login.status_code == 403
    searched = await dialect.client.post(
        "/api/v1/query", headers=headers, json={"term": "x", "collections": [collection]}
    )
    assert searched.status_code == 200


async def test_rolling_the_salt_changes_it(dialect: Dialect) -> None:
    before = (await dialect.client.get(LIST)).json()["salt"]
    rolled = await dialect.client.post("/api/v1/accounts/roll-salt")
    after = (await dialect.client.get(LIST)).json()["salt"]
    assert rolled.json() == {"message": "Salt rolled successfully."}
    assert before != after
    await dialect.client.post("/api/v1/account/salt/roll")
    assert (await dialect.client.get("/api/v1/keys")).json()["salt"] not in (before, after)


async def test_account_switches_are_kept_and_wrong_types_are_refused(dialect: Dialect) -> None:
    done = await dialect.client.put(
        "/api/v1/accounts", json={"name": "Ana", "parameters": {"automaticJsonHealing": True}}
    )
    assert done.json() == {"message": "Parameters updated successfully."}
    kept = await dialect.services.accounts.settings(dialect.caller)
    assert kept == {"heal_json": True}
    assert (await dialect.services.accounts.user(dialect.caller)).name == "Ana"

    wrong = await dialect.client.put(
        "/api/v1/accounts", json={"name": "Ana", "parameters": {"automaticJsonHealing": "yes"}}
    )
    assert wrong.status_code == 400
    assert wrong.json()["details"]["path"] == "parameters.automaticJsonHealing"


async def test_the_vendors_client_can_log_in_and_read_the_catalogue(dialect: Dialect) -> None:
    dialect.client.headers.pop("Authorization")
    login = await dialect.client.post("/api/v1/auth/login", json={"loginKey": dialect.key})
    assert login.json()["account"]["email"] == "ana@example.org"
    token = login.json()["accessToken"]
    listed = await dialect.client.get(LIST, headers={"Authorization": f"Bearer {token}"})
    assert listed.status_code == 200

    catalogue = await dialect.client.get("/api/v1/information/models.json")
    assert [model["name"] for provider in catalogue.json() for model in provider["models"]] == ["echo"]
    wrong = await dialect.client.post("/api/v1/auth/login", json={"loginKey": "sk-nothing"})
    assert wrong.status_code == 401


async def test_the_vendors_client_reads_balance_use_and_room(dialect: Dialect, collection: str) -> None:
    await dialect.client.put(
        f"/api/v1/collections/{collection}/documents", json={"name": "a", "contents": "x" * 50}
    )
    usage = UsageContext(dialect.caller, "test", "chat", 0)
    dialect.services.meter.record(usage, model="m", usage=Usage(1, 1), status=200)
    told = (await dialect.client.get("/api/v1/information/balance")).json()
    assert told["storageUsage"] == 50
    assert told["planLimits"]["includedStorage"] > 50
    assert (told["balance"], told["usage24h"], told["unlimited"]) == (0, 0.0, True)
    theirs = (await dialect.stranger.get("/api/v1/information/balance")).json()
    assert theirs["storageUsage"] == 0
    assert (await dialect.visitor.get("/api/v1/information/balance")).status_code == 401
