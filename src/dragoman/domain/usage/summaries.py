"""What was used by whom, for what, on which day."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal, TypeAlias, get_args

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage import repository
from dragoman.kit.errors import Forbidden

By: TypeAlias = Literal["user", "key", "gateway", "model", "kind", "day", "end-user"]
BY: tuple[By, ...] = get_args(By)
_ADMINS = ("owner", "admin")


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What was used by one user, of one model, on one day: whatever ``key`` is; None = nobody, none.

    ``prompt_tokens`` includes ``cached_tokens``. ``cost_micro_usd`` in millionths of a US dollar.
    """

    organisation_id: str
    key: str | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_micro_usd: int

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class UsageSummaries:
    """Sums over usage records, up to the last answer given by this process.

    Args:
        refresh: takes in what this process has used last.
        zone: where days begin.
    """

    def __init__(
        self, database: Database, *, refresh: Callable[[], Awaitable[object]], zone: tzinfo = UTC
    ) -> None:
        self._database = database
        self._refresh = refresh
        self._zone = zone

    async def mine(
        self, caller: Caller, by: By, *, since: int | None = None, until: int | None = None
    ) -> list[UsageLine]:
        """What the caller used, the most expensive first, days in their order. Times in milliseconds since 1970."""
        return await self._lines(caller.organisation_id, caller.user_id, by, since, until)

    async def organisation(
        self, caller: Caller, by: By, *, since: int | None = None, until: int | None = None
    ) -> list[UsageLine]:
        """``mine`` for everybody of the caller's organisation.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        if caller.role not in _ADMINS or caller.key_kind != "private":
            raise Forbidden("Only an administrator of the organisation may do this.", code="admin_needed")
        return await self._lines(caller.organisation_id, None, by, since, until)

    async def everybody(
        self, organisation_id: str | None, by: By, *, since: int | None = None, until: int | None = None
    ) -> list[UsageLine]:
        """``mine`` for everybody of an organisation or of all. For the operator."""
        return await self._lines(organisation_id, None, by, since, until)

    async def _lines(
        self,
        organisation_id: str | None,
        user_id: str | None,
        by: By,
        since: int | None,
        until: int | None,
    ) -> list[UsageLine]:
        await self._refresh()

        def read(connection: Connection) -> list[sa.RowMapping]:
            return repository.sums(
                connection,
                organisation_id,
                user_id,
                by="at" if by == "day" else _FIELDS[by],
                since=since,
                until=until,
            )

        rows = await self._database.read(read)
        lines: dict[tuple[str, str | None], UsageLine] = {}
        for row in rows:
            line = UsageLine(**row)
            if by == "day":
                line = replace(line, key=self._day(row["key"]))
            place = line.organisation_id, line.key
            lines[place] = line if place not in lines else _added(lines[place], line)
        found = list(lines.values())
        if by == "day":
            found.sort(key=lambda line: (line.key or "", line.organisation_id))
        else:
            found.sort(key=lambda line: (-line.cost_micro_usd, -line.total_tokens, line.key or ""))
        return found

    def _day(self, quarter: int) -> str:
        moment = datetime.fromtimestamp(quarter * repository.QUARTER_MS / 1000, self._zone)
        return moment.date().isoformat()


_FIELDS: dict[By, str] = {
    "user": "user_id",
    "key": "key_id",
    "gateway": "agent_id",
    "model": "model",
    "kind": "kind",
    "end-user": "end_user",
}


def _added(one: UsageLine, other: UsageLine) -> UsageLine:
    return UsageLine(
        one.organisation_id,
        one.key,
        one.requests + other.requests,
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
        one.cost_micro_usd + other.cost_micro_usd,
    )
