"""Planned messages whose moment has come: the agent speaks by itself, once for each."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import RunLater
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.channels import repository as channels
from dragoman.domain.chat.channels.delivery import ContactDelivery
from dragoman.domain.chat.errors import ChatUnavailable
from dragoman.domain.chat.model import ChatClient, SessionDraft
from dragoman.domain.chat.service import ChatService, Prompt
from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.domain.chat.turn import Reply
from dragoman.domain.schedules import repository
from dragoman.domain.schedules.inactive import is_inactive
from dragoman.domain.schedules.jobs import enqueue_again
from dragoman.domain.schedules.model import DELIVERED, FAILED, IGNORED, Recipient, RecurringTask, Schedule
from dragoman.domain.schedules.planning import zone_named
from dragoman.kit.clock import now_ms
from dragoman.kit.cron import next_moment
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, QuotaExceeded
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

_LATE_MS = 3_600_000
_BUSY_MS = 2000
_SESSION_SECONDS = 86_400
_ONCE = (
    "This is a follow-up that you planned yourself; the user has not written anything now. Write the message to the user, and "
    "nothing else.\nReason: {reason}\nContext: {context}"
)
_AGAIN = (
    "This is a recurring task of yours; the user has not written anything now. Carry it out and write the message to the "
    "user, and nothing else.\nTask: {job}"
)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """Why the agent speaks, and to whom."""

    cause: str
    client: ChatClient
    owner: Caller
    to: Recipient
    instruction: str
    due_at: int


class ScheduleFiring:
    """The handlers of the jobs of planned messages; each may be called again after a crash at any point."""

    def __init__(
        self,
        *,
        database: Database,
        chat: ChatService,
        sessions: ChatSessionsService,
        delivery: ContactDelivery,
        wake: Callable[[], None],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._chat = chat
        self._sessions = sessions
        self._delivery = delivery
        self._wake = wake
        self._clock_ms = clock_ms

    async def once(self, payload: JsonObject) -> None:
        """Lets the agent write a planned message.

        Raises:
            RunLater: its moment has not come, or an answer is under way in the conversation.
            DragomanError: the agent failed.
        """
        client_id, schedule_id = str(payload["client"]), str(payload["schedule"])
        found = await self._database.read(_load_once, client_id, schedule_id)
        if found is None:
            return
        schedule, client, owner = found
        if schedule.activation_result is not None:
            return
        if schedule.scheduled_at > self._clock_ms():
            raise RunLater(schedule.scheduled_at)
        instruction = _ONCE.format(reason=schedule.reason, context=schedule.context or "none")
        occasion = _Occasion(
            schedule.id, client, owner, schedule.recipient, instruction, schedule.scheduled_at
        )

        def begun(connection: Connection, session_id: str | None) -> None:
            values = {"activated_at": self._clock_ms(), "activated_session_id": session_id}
            repository.change_schedule(connection, schedule.id, values)

        def ended(connection: Connection, result: str | None) -> None:
            repository.change_schedule(connection, schedule.id, {"activation_result": result})

        await self._speak(occasion, begun, ended, under_way=schedule.activated_at is not None)

    async def again(self, payload: JsonObject) -> None:
        """Lets the agent carry out a recurring task, and queues it for the next time.

        Raises:
            RunLater: its moment has not come, or an answer is under way in the conversation.
            DragomanError: the agent failed.
        """
        client_id, task_id = str(payload["client"]), str(payload["task"])
        found = await self._database.read(_load_again, client_id, task_id)
        if found is None:
            return
        task, client, owner = found
        if task.active_at is None and task.next_at > self._clock_ms():
            raise RunLater(task.next_at)
        occasion = _Occasion(
            task.id, client, owner, task.recipient, _AGAIN.format(job=task.job_description), task.next_at
        )

        def begun(connection: Connection, session_id: str | None) -> None:
            # Without a session it was ignored, and the user has not got it.
            self._move_on(connection, task, active=session_id is not None, executed=session_id is not None)

        def ended(connection: Connection, result: str | None) -> None:
            repository.end_activation(connection, task.id)

        await self._speak(occasion, begun, ended, under_way=task.active_at is not None)

    async def failed(self, payload: JsonObject, reason: str) -> None:
        """Notes that an activation failed for good."""

        def note(connection: Connection) -> None:
            if "schedule" in payload:
                values = {"activated_at": self._clock_ms(), "activation_result": f"{FAILED}: {reason}"}
                repository.change_schedule(connection, str(payload["schedule"]), values)
                return
            found = _load_again(connection, str(payload["client"]), str(payload["task"]))
            if found is not None:
                if found[0].active_at is None:
                    self._move_on(connection, found[0], active=False, executed=True)
                repository.end_activation(connection, found[0].id)

        await self._database.write(note)

    def settled(self, connection: Connection, cause: str, error: str | None) -> None:
        """Takes what became of a message on its messaging service."""
        result = DELIVERED if error is None else f"{FAILED}: {error}"
        repository.change_schedule(connection, cause, {"activation_result": result})

    def _move_on(self, connection: Connection, task: RecurringTask, *, active: bool, executed: bool) -> None:
        now = self._clock_ms()
        executions = task.executions + executed
        last = task.most_executions is not None and executions >= task.most_executions
        following = next_moment(task.cron, max(now, task.next_at), zone_named(task.zone))
        values = {
            "last_at": now if executed else task.last_at,
            "active_at": now if active else None,
            "executions": executions,
            "next_at": following,
        }
        repository.change_task(connection, task.id, values)
        if not last:
            fresh = repository.recurring_task(connection, task.client_id, task.id)
            if fresh is not None:
                enqueue_again(connection, fresh)

    async def _speak(
        self,
        occasion: _Occasion,
        begun: Callable[[Connection, str | None], None],
        ended: Callable[[Connection, str | None], None],
        *,
        under_way: bool,
    ) -> None:
        why_not = None if under_way else await self._database.read(self._why_not, occasion)
        if why_not is not None:

            def ignore(connection: Connection) -> None:
                begun(connection, None)
                ended(connection, why_not)

            await self._database.write(ignore)
            return
        session_id, access_key = await self._database.write(self._session, occasion)

        def answered(connection: Connection, reply: Reply) -> None:
            ended(connection, self._deliver(connection, occasion, reply))

        prompt = Prompt(
            None,
            dialect="schedule",
            instruction=occasion.instruction,
            origin=occasion.to.target if occasion.to.target != "web_chat" else "chat",
            public=occasion.to.target != "web_chat",
            on_asked=None if under_way else lambda connection: begun(connection, session_id),
            on_answered=answered,
        )
        try:
            turn = await self._chat.ask(access_key, prompt)
            await turn.reply()
        except Conflict as error:
            raise RunLater(self._clock_ms() + _BUSY_MS) from error
        except (QuotaExceeded, ChatUnavailable, InvalidInput, Forbidden) as error:
            reason = f"{FAILED}: {error.detail}"
            log.warning("schedule.refused", schedule=occasion.cause, reason=error.detail)

            def refuse(connection: Connection) -> None:
                if not under_way:
                    begun(connection, session_id)
                ended(connection, reason)

            await self._database.write(refuse)
        self._wake()

    def _why_not(self, connection: Connection, occasion: _Occasion) -> str | None:
        """Why nothing is said on this occasion; None when something is."""
        if self._clock_ms() - occasion.due_at > _LATE_MS:
            return f"{IGNORED}: its moment was missed by more than an hour."
        if is_inactive(connection, occasion.client, occasion.to.external_user_id):
            return f"{IGNORED}: the user left earlier messages unanswered."
        if occasion.to.target != "web_chat" and self._delivery.is_held(
            connection, occasion.client.id, occasion.to.target, occasion.to.address
        ):
            return f"{IGNORED}: a person is answering."
        return None

    def _session(self, connection: Connection, occasion: _Occasion) -> tuple[str, str]:
        if occasion.to.target != "web_chat":
            return self._delivery.session(
                connection, occasion.client.id, occasion.to.target, occasion.to.address
            )
        known = self._sessions.reopen(connection, occasion.client.id, occasion.to.address)
        if known is not None:
            return known
        draft = SessionDraft(seconds=_SESSION_SECONDS, tag=occasion.to.address)
        session, access_key = self._sessions.open(connection, occasion.owner, occasion.client.id, draft)
        return session.id, access_key

    def _deliver(self, connection: Connection, occasion: _Occasion, reply: Reply) -> str | None:
        """What is noted of the activation at once; None when it is noted once the message is sent."""
        if occasion.to.target == "web_chat":
            return DELIVERED
        sent = self._delivery.put_out(
            connection,
            occasion.client.id,
            occasion.to.target,
            occasion.to.address,
            reply.answer,
            cause=occasion.cause,
        )
        return None if sent else f"{IGNORED}: the agent had nothing to say."


def _load_once(
    connection: Connection, client_id: str, schedule_id: str
) -> tuple[Schedule, ChatClient, Caller] | None:
    found = channels.client_and_owner(connection, client_id)
    schedule = repository.schedule(connection, client_id, schedule_id)
    return None if found is None or schedule is None else (schedule, *found)


def _load_again(
    connection: Connection, client_id: str, task_id: str
) -> tuple[RecurringTask, ChatClient, Caller] | None:
    found = channels.client_and_owner(connection, client_id)
    task = repository.recurring_task(connection, client_id, task_id)
    return None if found is None or task is None else (task, *found)
