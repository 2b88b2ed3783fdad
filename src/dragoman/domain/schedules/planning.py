"""What an agent may plan: when at the soonest, how often at the most, for whom."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.repository import clients, sessions
from dragoman.domain.schedules.model import ClientSchedules, Recipient, RecurringTask, Schedule, Target
from dragoman.domain.schedules.service import SchedulesService, TaskPlan
from dragoman.kit.clock import now_ms
from dragoman.kit.cron import next_moment, normal_cron, shortest_gap_seconds
from dragoman.kit.errors import InvalidInput, NotFound, QuotaExceeded

_LEAST_LEAD_MS = 60_000
_LONGEST_LEAD_MS = 366 * 86_400_000
_LEAST_GAP_SECONDS = 15 * 60
_MOST_OPEN = 20
_LONGEST_TEXT = 4000
_TARGETS: dict[str, Target] = {
    "telegram": "telegram",
    "zapi": "zapi",
    "evolution": "evolution",
    "kapso": "kapso",
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where an agent may plan messages: the client, the person, and the zone that their clock shows."""

    client_id: str
    to: Recipient
    zone: tzinfo


class Planner:
    """Plans for the conversation that an agent is in."""

    def __init__(
        self, database: Database, schedules: SchedulesService, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._schedules = schedules
        self._clock_ms = clock_ms

    async def conversation(self, caller: Caller, session_id: str) -> Conversation | None:
        """The conversation of a session; None where the client does not let agents plan."""

        def load(connection: Connection) -> Conversation | None:
            found = sessions.of_owner(connection, caller, session_id)
            if found is None:
                return None
            client = clients.get(connection, caller, found.client_id)
            if not client.draft.spec.scheduled_continuations:
                return None
            target = _TARGETS.get(found.metadata.get("channel", ""), "web_chat")
            address = found.metadata.get("address", "") if target != "web_chat" else found.tag or found.id
            person = found.external_user_id or found.id
            return Conversation(
                client.id, Recipient(person, target, address), zone_named(found.metadata.get("timezone"))
            )

        return await self._database.read(load)

    async def conversation_at(
        self, caller: Caller, client_id: str, target: Target, address: str, *, zone: str | None = None
    ) -> Conversation:
        """Where a client talks with somebody at an address, who need not have written yet.

        Args:
            address: a chat or a phone number on the channel; of the chat page a session's tag or id.
            zone: the name of the person's time zone; None = the one that their session names, else UTC.

        Raises:
            NotFound: the caller has no such client.
            InvalidInput: the client does not answer on that channel, or there is no such zone.
        """

        def load(connection: Connection) -> Conversation:
            clients.get(connection, caller, client_id)
            on_page, now = target == "web_chat", self._clock_ms()
            if not on_page and not clients.has_integration(connection, client_id, target):
                raise InvalidInput("The client has no integration for this target.", param="target")
            tag = address if on_page else f"{target}:{address}"
            known = sessions.by_tag(connection, client_id, tag, now)
            if known is None and on_page:
                known = sessions.by_id(connection, client_id, address, now)
            person = tag if known is None else known.external_user_id or known.id
            named = zone if known is None or zone is not None else known.metadata.get("timezone")
            return Conversation(client_id, Recipient(person, target, address), zone_named(named))

        if zone is not None and zone != "UTC" and zone_named(zone) is UTC:
            raise InvalidInput(f"There is no time zone {zone!r}.", param="timeZone")
        return await self._database.read(load)

    async def once(
        self, caller: Caller, talk: Conversation, *, time: str, reason: str, context: str
    ) -> Schedule:
        """A message planned for a moment, written in ISO 8601; without an offset it is the person's own clock.

        Raises:
            InvalidInput: the moment is none, too soon or too far away, or a text is missing or too long.
            QuotaExceeded: as much is planned for the person as may be.
        """
        at = _moment(time, talk.zone)
        now = self._clock_ms()
        if at < now + _LEAST_LEAD_MS:
            raise InvalidInput(
                f"time must lie at least a minute ahead; it is {_iso(now, talk.zone)} now.", param="time"
            )
        if at > now + _LONGEST_LEAD_MS:
            raise InvalidInput("time must lie within a year.", param="time")
        _check_text("reason", reason)
        await self._refuse_too_many(caller, talk)
        return await self._schedules.plan(
            caller, talk.client_id, talk.to, at=at, reason=reason, context=context[:_LONGEST_TEXT]
        )

    async def again(
        self, caller: Caller, talk: Conversation, *, cron: str, job: str, most: int | None
    ) -> RecurringTask:
        """A recurring task by cron, in the person's own clock.

        Raises:
            InvalidInput: the expression is none or comes more often than every 15 minutes, or another value does not fit.
            QuotaExceeded: as much is planned for the person as may be.
        """
        fields = normal_cron(cron)
        if shortest_gap_seconds(fields, talk.zone) < _LEAST_GAP_SECONDS:
            raise InvalidInput("A task may come every 15 minutes at the most.", param="cron")
        if most is not None and most < 1:
            raise InvalidInput("max_executions must be at least 1.", param="max_executions")
        _check_text("job_description", job)
        await self._refuse_too_many(caller, talk)
        first = next_moment(fields, self._clock_ms(), talk.zone)
        zone = None if talk.zone is UTC else str(talk.zone)
        return await self._schedules.repeat(
            caller, talk.client_id, talk.to, TaskPlan(fields, job, first, most, zone)
        )

    async def planned(self, caller: Caller, talk: Conversation) -> ClientSchedules:
        """What is planned for the person and has not come yet."""
        found = await self._schedules.all_of(caller, talk.client_id, talk.to.external_user_id)
        waiting = tuple(one for one in found.schedules if one.activated_at is None)
        return ClientSchedules(found.client_id, found.client_name, found.inactive, waiting, found.recurring)

    async def cancel(self, caller: Caller, talk: Conversation, planned_id: str) -> None:
        """Calls one of the person's off.

        Raises:
            NotFound: nothing of that id is planned for the person.
        """
        found = await self.planned(caller, talk)
        if any(one.id == planned_id for one in found.schedules):
            await self._schedules.cancel(caller, talk.client_id, planned_id)
        elif any(one.id == planned_id for one in found.recurring):
            await self._schedules.cancel_recurring(caller, talk.client_id, planned_id)
        else:
            raise NotFound("Nothing with this id is planned.", code="schedule_not_found")

    async def _refuse_too_many(self, caller: Caller, talk: Conversation) -> None:
        found = await self.planned(caller, talk)
        if len(found.schedules) + len(found.recurring) >= _MOST_OPEN:
            raise QuotaExceeded(
                f"{_MOST_OPEN} messages are planned for this person already; call one off first.",
                code="too_many_schedules",
            )


def _check_text(name: str, text: str) -> None:
    if not 1 <= len(text.strip()) <= _LONGEST_TEXT:
        raise InvalidInput(f"{name} must have 1 to {_LONGEST_TEXT} characters.", param=name)


def _moment(text: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidInput(
            "time must be ISO 8601, as 2027-03-01T09:30:00 or with an offset.", param="time"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def zone_named(name: str | None) -> tzinfo:
    """The time zone of that name; UTC for none or an unknown one."""
    if not name or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _iso(moment_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, zone).isoformat(timespec="seconds")
