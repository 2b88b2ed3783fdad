"""Planned messages as they are kept. Times are in milliseconds."""

from dataclasses import dataclass
from typing import Literal

Target = Literal["telegram", "zapi", "evolution", "kapso", "web_chat"]

# How the result of an activation begins; behind a colon it says why.
DELIVERED, IGNORED, FAILED = "Delivered", "Ignored", "Failed"


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom on which channel; ``address`` is a chat or a phone number there."""

    external_user_id: str
    target: Target
    address: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A message planned for one moment; ``activated_at`` is when that came, the result what became of it."""

    id: str
    client_id: str
    recipient: Recipient
    scheduled_at: int
    reason: str
    context: str
    created_at: int
    activated_at: int | None = None
    activated_session_id: str | None = None
    activation_result: str | None = None


@dataclass(frozen=True, slots=True)
class RecurringTask:
    """Something to do at every moment that ``cron`` tells in ``zone``; ``most_executions`` None = without end.

    ``active_at`` is set while an activation has not come to its end.
    """

    id: str
    client_id: str
    recipient: Recipient
    cron: str
    job_description: str
    next_at: int
    created_at: int
    last_at: int | None = None
    active_at: int | None = None
    executions: int = 0
    most_executions: int | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class InactiveUser:
    """Somebody who has not answered planned messages for too long; ``last_user_message_at`` None = never wrote."""

    external_user_id: str
    last_scheduled_message_at: int
    last_user_message_at: int | None


@dataclass(frozen=True, slots=True)
class ClientSchedules:
    """Everything planned for a client's users."""

    client_id: str
    client_name: str
    inactive: tuple[InactiveUser, ...]
    schedules: tuple[Schedule, ...]
    recurring: tuple[RecurringTask, ...]
