"""What is removed once its time is over: looked for at the start and then every hour."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from dragoman.db.database import Database
from dragoman.domain.chat.limits import forget_rates
from dragoman.domain.erasure.service import Retention
from dragoman.domain.moving.removal.service import LateUsage
from dragoman.domain.services import Services
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 3600.0
Sweep = Callable[[], Awaitable[int]]


def sweeps_of(services: Services, database: Database) -> Mapping[str, Sweep]:
    """Each removes what is old, in steps, and gives how much that was."""
    kept = services.settings.retention.model_dump()
    days = {name.removesuffix("_days"): int(value) for name, value in kept.items()}
    return {
        "retention": Retention(database, days).sweep,
        "late_usage": LateUsage(database).sweep,
        "conversations": services.conversations.forget_old,
        "chat_events": services.chat.forget_told,
        "failed_sign_ins": services.accounts.signin.attempts.forget_old,
        "limits": services.budgets.forget_old,
        "chat_rates": lambda: forget_rates(database, now_ms()),
        "chat_sessions": services.chat_sessions.forget_expired,
    }


async def keep_house(sweeps: Mapping[str, Sweep]) -> None:
    """Sweeps for ever; start it with ``kit.tasks``."""
    while True:
        for name, sweep in sweeps.items():
            try:
                gone = await sweep()
            except DragomanError as error:
                log.warning("housekeeping.failed", what=name, reason=error.detail)
                continue
            if gone:
                log.info("housekeeping.removed", what=name, count=gone)
        await asyncio.sleep(_PAUSE_SECONDS)
