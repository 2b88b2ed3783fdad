"""Planned messages: seen and called off by who owns the chat client."""

from typing import Any

import pytest
import sqlalchemy as sa
from aivax_server import Dialect
from chat_steps import UNKNOWN, Chat, ask, new_chat

from dragoman.domain.chat.tables import chat_messages
from dragoman.domain.schedules.model import Recipient, RecurringTask, Schedule
from dragoman.domain.schedules.service import TaskPlan
from dragoman.domain.schedules.tables import chat_schedules
from dragoman.kit.clock import iso, now_ms

NOON = 1_900_000_000_000
ANA = Recipient("ana@s1", "telegram", "4711")
BOB = Recipient("bob", "zapi", "+5511")


@pytest.fixture
async def chat(dialect: Dialect) -> Chat:
    return await new_chat(dialect)


def base(chat: Chat) -> str:
    return f"/api/v1/web-chat-clients/{chat.id}/hook-schedules"


async def plan(chat: Chat, to: Recipient = ANA, at: int = NOON) -> Schedule:
    schedules = chat.dialect.services.schedules
    return await schedules.plan(
        chat.dialect.caller, chat.id, to, at=at, reason="Remind", context='{"order":1}'
    )


async def repeat(chat: Chat, to: Recipient = BOB) -> RecurringTask:
    task = TaskPlan("0 9 * * 1", "Ask how it went", NOON, 10)
    return await chat.dialect.services.schedules.repeat(chat.dialect.caller, chat.id, to, task)


async def listed(chat: Chat, **params: str) -> Any:
    response = await chat.dialect.client.get(base(chat), params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def activate(chat: Chat, schedule: Schedule, at: int) -> None:
    statement = sa.update(chat_schedules).where(chat_schedules.c.id == schedule.id)
    values = {"activated_at": at, "activated_session_id": UNKNOWN, "activation_result": "Delivered"}
    await chat.dialect.database.write(lambda c: c.execute(statement.values(**values)))


async def test_what_is_planned_is_listed_for_all_or_for_one_person(chat: Chat) -> None:
    later, sooner = await plan(chat), await plan(chat, at=NOON - 1000)
    task = await repeat(chat)
    found = await listed(chat)
    assert found["webChat"] == {"id": chat.id, "name": "Shop"}
    assert [one["id"] for one in found["schedules"]] == [sooner.id, later.id]
    assert found["schedules"][1] == {
        "id": later.id,
        "externalUserId": "ana@s1",
        "target": "Telegram",
        "targetIdentifier": "4711",
        "scheduledTime": "2030-03-17T17:46:40.000Z",
        "activatedAt": None,
        "createdAt": found["schedules"][1]["createdAt"],
    }
    assert found["recurringTasks"] == [
        {
            "id": task.id,
            "externalUserId": "bob",
            "target": "WhatsApp_ZApi",
            "targetIdentifier": "+5511",
            "cronExpression": "0 9 * * 1",
            "nextActivation": "2030-03-17T17:46:40.000Z",
            "lastActivation": None,
            "executionCount": 0,
            "createdAt": found["recurringTasks"][0]["createdAt"],
        }
    ]
    assert found["inactiveUsers"] == []
    ana = await listed(chat, **{"external-user-id": "ana@s9"})
    assert (len(ana["schedules"]), ana["recurringTasks"]) == (2, [])
    singular = await chat.dialect.client.get(base(chat).replace("clients", "client"))
    assert singular.json() == found


async def test_details_add_reason_context_and_outcome(chat: Chat) -> None:
    schedule, task = await plan(chat), await repeat(chat)
    viewed = (await chat.dialect.client.get(f"{base(chat)}/schedules/{schedule.id}")).json()
    assert (viewed["reason"], viewed["context"]) == ("Remind", '{"order":1}')
    assert (viewed["activatedSessionId"], viewed["activationResult"]) == (None, None)
    await activate(chat, schedule, NOON)
    viewed = (await chat.dialect.client.get(f"{base(chat)}/schedules/{schedule.id}")).json()
    assert (viewed["activatedSessionId"], viewed["activationResult"]) == (UNKNOWN, "Delivered")
    viewed = (await chat.dialect.client.get(f"{base(chat)}/recurring/{task.id}")).json()
    assert (viewed["jobDescription"], viewed["maxExecutions"]) == ("Ask how it went", 10)


async def test_what_is_called_off_is_gone(chat: Chat) -> None:
    schedule, task = await plan(chat), await repeat(chat)
    for path, sentence, missing in (
        (f"schedules/{schedule.id}", "Schedule cancelled.", "Schedule not found."),
        (f"recurring/{task.id}", "Recurring task cancelled.", "Recurring task not found."),
    ):
        done = await chat.dialect.client.delete(f"{base(chat)}/{path}")
        assert done.json() == {"message": sentence}
        for verb in ("GET", "DELETE"):
            again = await chat.dialect.client.request(verb, f"{base(chat)}/{path}")
            assert (again.status_code, again.json()["error"]) == (404, missing)


async def test_what_has_happened_cannot_be_called_off(chat: Chat) -> None:
    schedule = await plan(chat)
    await activate(chat, schedule, NOON)
    refused = await chat.dialect.client.delete(f"{base(chat)}/schedules/{schedule.id}")
    assert refused.status_code == 409
    assert len((await listed(chat))["schedules"]) == 1


async def test_schedules_belong_to_their_client_and_account(chat: Chat) -> None:
    schedule, task = await plan(chat), await repeat(chat)
    other = await new_chat(chat.dialect)
    for client, owner in ((chat.dialect.stranger, chat), (chat.dialect.client, other)):
        for path in (f"schedules/{schedule.id}", f"recurring/{task.id}"):
            for verb in ("GET", "DELETE"):
                response = await client.request(verb, f"{base(owner)}/{path}")
                assert response.status_code == 404
    assert (await chat.dialect.client.get(f"{base(chat)}/schedules/x")).status_code == 400
    found = await listed(chat)
    assert (len(found["schedules"]), len(found["recurringTasks"])) == (1, 1)


async def test_deleting_the_client_takes_its_schedules_along(chat: Chat) -> None:
    await plan(chat)
    await chat.dialect.client.delete(f"/api/v1/web-chat-client/{chat.id}")
    left = await chat.dialect.database.read(lambda c: c.execute(sa.select(chat_schedules)).all())
    assert left == []


async def test_who_ignores_messages_for_too_long_is_inactive_until_they_write(chat: Chat) -> None:
    await chat.change(clientParameters={"maxScheduledIgnoredZone": "1.00:00:00"})
    dialect, key = chat.dialect, await chat.key(tag="ana@shop")
    await ask(dialect, key, "hello")
    written = await dialect.database.read(
        lambda c: c.execute(sa.select(sa.func.max(chat_messages.c.created_at))).scalar_one()
    )
    day = 86_400_000
    schedule = await plan(chat)
    await activate(chat, schedule, written + day - 60_000)
    assert (await listed(chat))["inactiveUsers"] == []
    await activate(chat, schedule, written + day + 60_000)
    (inactive,) = (await listed(chat))["inactiveUsers"]
    assert inactive["externalUserId"] == "ana@s1"
    assert inactive["lastUserMessageAt"] < inactive["lastScheduledMessageAt"]
    assert (await listed(chat, **{"external-user-id": "bob"}))["inactiveUsers"] == []
    later = sa.update(chat_messages).values(created_at=written + 2 * day)
    await dialect.database.write(lambda c: c.execute(later))
    assert (await listed(chat))["inactiveUsers"] == []
    await chat.change(clientParameters={"maxScheduledIgnoredZone": None})
    await dialect.database.write(lambda c: c.execute(sa.update(chat_messages).values(created_at=0)))
    assert (await listed(chat))["inactiveUsers"] == []


def ahead(hours: float) -> str:
    return iso(now_ms() + int(hours * 3_600_000))


async def test_a_message_is_planned_over_the_api_for_who_talks_in_a_session(chat: Chat) -> None:
    session = await chat.session(tag="ana@shop")
    body = {
        "target": "webchat",
        "targetIdentifier": "ana@shop",
        "scheduledTime": ahead(2),
        "reason": "Ask how it went",
    }
    made = await chat.dialect.client.post(f"{base(chat)}/schedules", json=body)
    assert made.status_code == 200, made.text
    planned = made.json()
    assert (planned["target"], planned["targetIdentifier"]) == ("WebChat", "ana@shop")
    assert planned["externalUserId"] == f"ana@shop@{session['sessionId'].replace('-', '')[-12:]}"
    assert (planned["scheduledTime"], planned["reason"], planned["context"]) == (
        body["scheduledTime"],
        "Ask how it went",
        "",
    )
    viewed = await chat.dialect.client.get(f"{base(chat)}/schedules/{planned['id']}")
    assert viewed.json() == planned
    by_id = {**body, "targetIdentifier": session["sessionId"]}
    again = (await chat.dialect.client.post(f"{base(chat)}/schedules", json=by_id)).json()
    assert again["externalUserId"] == planned["externalUserId"]


async def test_a_recurring_task_is_planned_over_the_api_in_a_time_zone(chat: Chat) -> None:
    body = {
        "target": "WebChat",
        "targetIdentifier": "bob",
        "cronExpression": "0 9 * * 1",
        "jobDescription": "Say good morning",
        "maxExecutions": 3,
        "timeZone": "America/Sao_Paulo",
    }
    made = await chat.dialect.client.post(f"{base(chat)}/recurring", json=body)
    assert made.status_code == 200, made.text
    task = made.json()
    assert (task["cronExpression"], task["maxExecutions"], task["executionCount"]) == ("0 9 * * 1", 3, 0)
    assert (task["nextActivation"][11:16], task["timeZone"]) == ("12:00", "America/Sao_Paulo")
    assert (await chat.dialect.client.get(f"{base(chat)}/recurring/{task['id']}")).json() == task
    assert [one["id"] for one in (await listed(chat))["recurringTasks"]] == [task["id"]]


@pytest.mark.parametrize(
    ("operation", "changed", "path"),
    [
        ("schedules", {"scheduledTime": "tomorrow"}, "scheduledTime"),
        ("schedules", {"scheduledTime": "2020-01-01T00:00:00Z"}, "scheduledTime"),
        ("schedules", {"reason": ""}, "reason"),
        ("schedules", {"target": "Pigeon"}, "target"),
        ("schedules", {"target": "Telegram"}, "target"),
        ("schedules", {"targetIdentifier": None}, "targetIdentifier"),
        ("schedules", {"timeZone": "Mars/Olympus"}, "timeZone"),
        ("recurring", {"cronExpression": "*/5 * * * *"}, "cronExpression"),
        ("recurring", {"cronExpression": "0 0 31 2 *"}, "cronExpression"),
        ("recurring", {"maxExecutions": 0}, "maxExecutions"),
    ],
)
async def test_a_plan_that_does_not_fit_is_refused_by_name(
    chat: Chat, operation: str, changed: dict[str, Any], path: str
) -> None:
    body = {
        "target": "WebChat",
        "targetIdentifier": "bob",
        "scheduledTime": ahead(1),
        "reason": "r",
        "cronExpression": "0 9 * * *",
        "jobDescription": "j",
        **changed,
    }
    refused = await chat.dialect.client.post(f"{base(chat)}/{operation}", json=body)
    assert (refused.status_code, refused.json()["details"]["path"]) == (400, path), refused.text
    assert (await listed(chat))["schedules"] == []


async def test_nobody_plans_for_anothers_client(chat: Chat) -> None:
    body = {"target": "WebChat", "targetIdentifier": "bob", "scheduledTime": ahead(1), "reason": "r"}
    refused = await chat.dialect.stranger.post(f"{base(chat)}/schedules", json=body)
    assert refused.status_code == 404
    assert (await listed(chat))["schedules"] == []
