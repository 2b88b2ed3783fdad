"""Monthly limits: who has which, who may set them, and the refusal when one is used up."""

from collections.abc import Callable
from typing import get_args

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.limits import repository
from dragoman.domain.usage.limits.repository import INFERENCE, TEACHING
from dragoman.domain.usage.limits.repository import LimitKind as LimitKind
from dragoman.domain.usage.limits.repository import Limits as Limits
from dragoman.domain.usage.limits.repository import Member as Member
from dragoman.domain.usage.limits.repository import SortKey as SortKey
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.domain.usage.reports import UsageReports, month_of
from dragoman.domain.usage.repository import UsageFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, NotFound, QuotaExceeded

TOPIC = "limits"
SORT_KEYS: tuple[SortKey, ...] = get_args(SortKey)
_ADMINS = ("owner", "admin")
_KINDS: dict[LimitKind, tuple[str, ...]] = {
    "monthly_tokens": INFERENCE,
    "monthly_teach_tokens": TEACHING,
}
_WORDS: dict[LimitKind, str] = {"monthly_tokens": "inference", "monthly_teach_tokens": "teaching"}


class LimitsService:
    """Keeps every limit in memory, so that those without one pay nothing for it.

    Args:
        meter: knows the limits of organisations, users and keys, which are asked before something is taught; before an
            answer they are asked by whoever calls the model.
    """

    def __init__(
        self,
        database: Database,
        versions: Versions,
        reports: UsageReports,
        *,
        meter: Meter | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._versions = versions
        self._reports = reports
        self._meter = meter
        self._clock_ms = clock_ms
        self._known: dict[str, Limits] = {}
        versions.subscribe(TOPIC, self.reload)

    async def reload(self) -> None:
        """Reads all limits anew; to be called once before the others."""
        self._known = await self._database.read(repository.all_limits)

    def of(self, caller: Caller) -> Limits:
        """The caller's limits."""
        return self._known.get(caller.user_id, Limits())

    def bounded(self, caller: Caller) -> bool:
        """Whether the caller's inference tokens are limited, so that each answer has to be looked at."""
        return self.of(caller).monthly_tokens is not None

    async def check(self, caller: Caller, kind: LimitKind) -> None:
        """Returns while the caller has something left this month (UTC).

        Raises:
            QuotaExceeded: the month's tokens are used up.
            PaymentRequired: a limit of tokens or money is.
        """
        if kind == "monthly_teach_tokens" and self._meter is not None:
            context = UsageContext(
                caller=caller, dialect="", kind="ingest", started_at=now_ms(), counts=False
            )
            least = Usage(prompt_tokens=1)
            self._meter.release(await self._meter.reserve(context, model="", usage=least, cost_micro_usd=1))
        limit = getattr(self.of(caller), kind)
        if limit is None:
            return
        now = self._clock_ms()
        since, until = month_of(now)
        used = 0
        for used_for in _KINDS[kind]:
            wanted = UsageFilter(since=since, until=until, kind=used_for)
            used += (await self._reports.totals(caller, wanted)).total_tokens
        if used >= limit:
            raise QuotaExceeded(
                f"The {_WORDS[kind]} tokens of this month are used up ({used} of {limit}).",
                code="monthly_tokens_used_up",
                retry_after_seconds=(until - now) / 1000,
            )

    async def members(
        self,
        caller: Caller,
        *,
        email: str = "",
        sort_by: SortKey = "id",
        descending: bool = False,
        start: int = 0,
        limit: int = 100,
    ) -> list[Member]:
        """Users of the caller's organisation with what they used this month.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        _administers(caller)
        since, until = month_of(self._clock_ms())
        # Takes in what this process answered last.
        await self._reports.totals(caller, UsageFilter(since=since, until=until))
        return await self._database.read(
            repository.members,
            caller,
            since=since,
            until=until,
            email=email,
            sort_by=sort_by,
            descending=descending,
            start=start,
            limit=limit,
        )

    async def set(self, caller: Caller, number: int, kind: LimitKind, tokens: int | None) -> None:
        """Sets a limit of a user of the caller's organisation; None lifts it.

        Raises:
            Forbidden: the caller does not administer the organisation.
            NotFound: the organisation has no such user.
        """
        _administers(caller)

        def store(connection: Connection) -> None:
            user_id = repository.member_id(connection, caller, number)
            if user_id is None:
                raise NotFound("There is no user with this id.", code="user_not_found", param="id")
            repository.put(connection, user_id, kind, tokens)
            self._versions.announce(connection, TOPIC)
            audit.record(connection, caller, "user.limit_set", user_id, kind=kind, tokens=tokens)

        await self._database.write(store)
        await self._versions.check()


def _administers(caller: Caller) -> None:
    if caller.role not in _ADMINS or caller.key_kind != "private":
        raise Forbidden("Only an administrator of the organisation may do this.", code="admin_needed")
