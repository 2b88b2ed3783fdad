"""Messages that agents write by themselves: planned, looked at and called off."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.chat_paths import ClientId, ScheduleId, route
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import INT32, Choice, Member, Record, Text, Whole
from dragoman.domain.schedules.model import InactiveUser, Recipient, RecurringTask, Schedule, Target
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_BASE = "/{client_id}/hook-schedules"
_TARGETS: dict[Target, str] = {
    "telegram": "Telegram",
    "zapi": "WhatsApp_ZApi",
    "evolution": "WhatsApp_EvolutionApi",
    "kapso": "WhatsApp_Kapso",
    "web_chat": "WebChat",
}
_PLANNED: dict[str, Target] = {name: target for target, name in _TARGETS.items()}
_LONGEST_TEXT = 4000
_WHOM = {
    "target": Member(Choice(tuple(_PLANNED)), required=True),
    "targetIdentifier": Member(Text(1, 128), required=True),
    "timeZone": Member(Text(1, 64, nullable=True), None),
}
_PLAN = Record(
    {
        **_WHOM,
        "scheduledTime": Member(Text(1, 64), required=True),
        "reason": Member(Text(1, _LONGEST_TEXT), required=True),
        "context": Member(Text(0, _LONGEST_TEXT), ""),
    }
)
_REPEAT = Record(
    {
        **_WHOM,
        "cronExpression": Member(Text(1, 200), required=True),
        "jobDescription": Member(Text(1, _LONGEST_TEXT), required=True),
        "maxExecutions": Member(Whole(1, INT32, nullable=True), None),
    }
)
# What the members are called where tools of agents give them.
_NAMES = {"time": "scheduledTime", "cron": "cronExpression"}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)


def _to(recipient: Recipient) -> dict[str, JsonValue]:
    return {
        "externalUserId": recipient.external_user_id,
        "target": _TARGETS[recipient.target],
        "targetIdentifier": recipient.address,
    }


def _schedule(schedule: Schedule) -> dict[str, JsonValue]:
    return {
        "id": schedule.id,
        **_to(schedule.recipient),
        "scheduledTime": iso(schedule.scheduled_at),
        "activatedAt": _time(schedule.activated_at),
        "createdAt": iso(schedule.created_at),
    }


def _recurring(task: RecurringTask) -> dict[str, JsonValue]:
    return {
        "id": task.id,
        **_to(task.recipient),
        "cronExpression": task.cron,
        "nextActivation": iso(task.next_at),
        "lastActivation": _time(task.last_at),
        "executionCount": task.executions,
        "createdAt": iso(task.created_at),
    }


def _inactive(user: InactiveUser) -> dict[str, JsonValue]:
    return {
        "externalUserId": user.external_user_id,
        "lastScheduledMessageAt": iso(user.last_scheduled_message_at),
        "lastUserMessageAt": _time(user.last_user_message_at),
    }


def _schedule_in_full(schedule: Schedule) -> dict[str, JsonValue]:
    return {
        **_schedule(schedule),
        "reason": schedule.reason,
        "context": schedule.context,
        "activatedSessionId": schedule.activated_session_id,
        "activationResult": schedule.activation_result,
    }


def _recurring_in_full(task: RecurringTask) -> dict[str, JsonValue]:
    return {
        **_recurring(task),
        "jobDescription": task.job_description,
        "maxExecutions": task.most_executions,
        "timeZone": task.zone or "UTC",
    }


@contextmanager
def _called_as_here() -> Iterator[None]:
    """Errors about what was sent call it by the name that it has in the body."""
    try:
        yield
    except InvalidInput as error:
        name = _NAMES.get(error.param or "")
        if name is None:
            raise
        detail = error.detail.replace(f"{error.param} must", f"{name} must", 1)
        raise InvalidInput(detail, param=name, code=error.code) from error


@route(router, "GET", _BASE, plural=True)
async def list_schedules(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Everything planned for a client's users, or for the one that is named.

    Source: AIVAX API, "List Hook Schedules".
    """
    user = (request.query_params.get("external-user-id") or "").strip() or None
    found = await services_of(request).schedules.all_of(caller, client_id, user)
    return answer(
        request,
        {
            "webChat": {"id": found.client_id, "name": found.client_name},
            "inactiveUsers": [_inactive(one) for one in found.inactive],
            "schedules": [_schedule(one) for one in found.schedules],
            "recurringTasks": [_recurring(one) for one in found.recurring],
        },
    )


@route(router, "POST", _BASE + "/schedules", plural=True, openapi_extra=json_content(_PLAN))
async def plan_message(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Plans a message that the agent will write by itself, under the bounds that hold for its own plans.

    The published reference lets only agents plan; the form of this operation is this server's own.
    """
    values: dict[str, Any] = await read_body(request, _PLAN)
    planner = services_of(request).planner
    with _called_as_here():
        talk = await planner.conversation_at(
            caller,
            client_id,
            _PLANNED[values["target"]],
            values["targetIdentifier"],
            zone=values["timeZone"],
        )
        made = await planner.once(
            caller, talk, time=values["scheduledTime"], reason=values["reason"], context=values["context"]
        )
    return answer(request, _schedule_in_full(made))


@route(router, "POST", _BASE + "/recurring", plural=True, openapi_extra=json_content(_REPEAT))
async def plan_task(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Plans a task that the agent will carry out again and again, under the bounds that hold for its own plans.

    The published reference lets only agents plan; the form of this operation is this server's own.
    """
    values: dict[str, Any] = await read_body(request, _REPEAT)
    planner = services_of(request).planner
    with _called_as_here():
        talk = await planner.conversation_at(
            caller,
            client_id,
            _PLANNED[values["target"]],
            values["targetIdentifier"],
            zone=values["timeZone"],
        )
        made = await planner.again(
            caller,
            talk,
            cron=values["cronExpression"],
            job=values["jobDescription"],
            most=values["maxExecutions"],
        )
    return answer(request, _recurring_in_full(made))


@route(router, "GET", _BASE + "/schedules/{schedule_id}", plural=True)
async def view_schedule(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """One planned message.

    Source: AIVAX API, "Get Schedule".
    """
    found = await services_of(request).schedules.schedule(caller, client_id, schedule_id)
    return answer(request, _schedule_in_full(found))


@route(router, "DELETE", _BASE + "/schedules/{schedule_id}", plural=True)
async def cancel_schedule(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """Calls a planned message off.

    Source: AIVAX API, "Cancel Schedule".
    """
    await services_of(request).schedules.cancel(caller, client_id, schedule_id)
    return said(request, "Schedule cancelled.")


@route(router, "GET", _BASE + "/recurring/{schedule_id}", plural=True)
async def view_recurring(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """One recurring task.

    Source: AIVAX API, "Get Recurring Task".
    """
    found = await services_of(request).schedules.recurring_task(caller, client_id, schedule_id)
    return answer(request, _recurring_in_full(found))


@route(router, "DELETE", _BASE + "/recurring/{schedule_id}", plural=True)
async def cancel_recurring(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """Calls a recurring task off.

    Source: AIVAX API, "Cancel Recurring Task".
    """
    await services_of(request).schedules.cancel_recurring(caller, client_id, schedule_id)
    return said(request, "Recurring task cancelled.")
