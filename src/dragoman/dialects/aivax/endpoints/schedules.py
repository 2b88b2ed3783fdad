"""Messages that agents plan to write by themselves: to be looked at and called off."""

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.chat_paths import ClientId, ScheduleId, route
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.domain.schedules.model import InactiveUser, Recipient, RecurringTask, Schedule, Target
from dragoman.kit.clock import iso
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


@route(router, "GET", _BASE + "/schedules/{schedule_id}", plural=True)
async def view_schedule(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """One planned message.

    Source: AIVAX API, "Get Schedule".
    """
    found = await services_of(request).schedules.schedule(caller, client_id, schedule_id)
    return answer(
        request,
        {
            **_schedule(found),
            "reason": found.reason,
            "context": found.context,
            "activatedSessionId": found.activated_session_id,
            "activationResult": found.activation_result,
        },
    )


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
    more: dict[str, JsonValue] = {
        "jobDescription": found.job_description,
        "maxExecutions": found.most_executions,
    }
    return answer(request, {**_recurring(found), **more})


@route(router, "DELETE", _BASE + "/recurring/{schedule_id}", plural=True)
async def cancel_recurring(
    request: Request, caller: PrivateCaller, client_id: ClientId, schedule_id: ScheduleId
) -> Response:
    """Calls a recurring task off.

    Source: AIVAX API, "Cancel Recurring Task".
    """
    await services_of(request).schedules.cancel_recurring(caller, client_id, schedule_id)
    return said(request, "Recurring task cancelled.")
