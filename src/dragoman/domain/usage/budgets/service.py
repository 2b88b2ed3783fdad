"""Setting, listing and removing limits, and what is left of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit.record import record, record_by_operator
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.usage.budgets import names, repository
from dragoman.domain.usage.budgets.model import Bucket, Calendar, Level, Limit, Measure, Period, Scope
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, InvalidInput, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonValue

TOPIC = "budgets"
_ADMINS = ("owner", "admin")
_MOST = 2**62
_MOST_LIMITS = 1000
# A gateway's id by an organisation and what people call it.
FindGateway = Callable[[Connection, str, str], str | None]


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit to be set. ``subject`` by id or name, None = each of them for itself; see ``Limit``."""

    scope: Scope
    measure: Measure
    period: Period
    amount: int
    hard: bool = True
    subject: str | None = None
    gateway: str | None = None


class BudgetsService:
    """Limits of organisations, for their administrators and for the server's operator.

    An administrator (role owner or admin, with a private key or a login) sees all limits of the own organisation and
    changes those that the operator did not set: ``set``, ``select``, ``remove``. The operator, who has no caller, uses
    ``set_for``, ``select_for`` and ``remove_for``. Everybody may ask for ``own``.

    Args:
        refresh: takes in what this process has used last.
    """

    def __init__(
        self,
        database: Database,
        versions: Versions,
        calendar: Calendar,
        *,
        refresh: Callable[[], Awaitable[object]],
        find_gateway: FindGateway,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._versions = versions
        self._calendar = calendar
        self._refresh = refresh
        self._find_gateway = find_gateway
        self._clock_ms = clock_ms

    async def set(self, caller: Caller, wanted: NewLimit) -> Limit:
        """The limit as it is in force now; one that differs only in its amount is replaced and keeps what was used.

        Raises:
            Forbidden: the caller does not administer the organisation.
            InvalidInput: the limit contradicts itself.
            NotFound: the organisation has nobody of that name.
        """
        _administers(caller)
        return await self._set(caller.organisation_id, wanted, caller)

    async def set_for(self, organisation: str, wanted: NewLimit) -> Limit:
        """``set`` by the operator, for an organisation by name or id; its administrators cannot change it.

        Raises:
            InvalidInput: the limit contradicts itself.
            NotFound: there is no such organisation, or it has nobody of that name.
        """
        return await self._set(await self._organisation(organisation), wanted, None)

    async def _set(self, organisation_id: str, wanted: NewLimit, caller: Caller | None) -> Limit:
        _check(wanted)

        def store(connection: Connection) -> Limit:
            if len(repository.limits_of(connection, organisation_id)) >= _MOST_LIMITS:
                raise InvalidInput(f"An organisation has at most {_MOST_LIMITS} limits.")
            limit = repository.put(
                connection,
                Limit(
                    id=uuid7(),
                    organisation_id=organisation_id,
                    scope=wanted.scope,
                    subject=self._subject(connection, organisation_id, wanted),
                    gateway_id=self._gateway(connection, organisation_id, wanted.gateway),
                    measure=wanted.measure,
                    period=wanted.period,
                    amount=wanted.amount,
                    hard=wanted.hard,
                    by_operator=caller is None,
                    created_at=self._clock_ms(),
                ),
            )
            self._versions.announce(connection, TOPIC)
            _note(connection, limit, "limits.set", caller)
            return limit

        limit = await self._database.write(store)
        await self._versions.check()
        return limit

    def _subject(self, connection: Connection, organisation_id: str, wanted: NewLimit) -> str | None:
        if wanted.scope == "organisation":
            return organisation_id
        name = wanted.subject
        if name is None or wanted.scope == "end_user":
            return name
        if wanted.scope == "gateway":
            return self._gateway(connection, organisation_id, name)
        find = names.user_id if wanted.scope == "user" else names.key_id
        found = find(connection, organisation_id, name)
        if found is None:
            raise NotFound(
                f"The organisation has no {wanted.scope} {name!r}.", code="subject_not_found", param="subject"
            )
        return found

    def _gateway(self, connection: Connection, organisation_id: str, name: str | None) -> str | None:
        if name is None:
            return None
        found = self._find_gateway(connection, organisation_id, name)
        if found is None:
            raise NotFound(
                f"The organisation has no gateway {name!r}.", code="subject_not_found", param="gateway"
            )
        return found

    async def select(self, caller: Caller) -> list[Limit]:
        """All limits of the caller's organisation, in the order they were set.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        _administers(caller)
        return await self._database.read(repository.limits_of, caller.organisation_id)

    async def select_for(self, organisation: str | None) -> list[Limit]:
        """All limits of an organisation by name or id, or of all organisations.

        Raises:
            NotFound: there is no such organisation.
        """
        found = None if organisation is None else await self._organisation(organisation)
        return await self._database.read(repository.limits_of, found)

    async def levels(self, limits: list[Limit]) -> list[Level | None]:
        """How full limits are now; None for those that count each subject for itself."""
        await self._refresh()
        return [await self._level(limit, limit.subject) if limit.subject else None for limit in limits]

    async def own(self, caller: Caller) -> list[Level]:
        """What the caller may still use: of every limit of the organisation, the user and the key in use.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._refresh()
        subjects: dict[Scope, str | None] = {
            "organisation": caller.organisation_id,
            "user": caller.user_id,
            "key": caller.key_id,
        }
        levels: list[Level] = []
        for limit in await self._database.read(repository.limits_of, caller.organisation_id):
            subject = subjects.get(limit.scope)
            if subject is not None and limit.subject in (None, subject):
                levels.append(await self._level(limit, subject))
        return levels

    async def _level(self, limit: Limit, subject: str) -> Level:
        since, until = self._calendar.window(limit.period, self._clock_ms())
        bucket = Bucket(limit.id, subject, since)
        spent, reserved = await self._database.read(repository.level, limit, bucket, until)
        return Level(limit, subject, since, until, spent, reserved)

    async def remove(self, caller: Caller, limit_id: str) -> None:
        """Removes one of the organisation's limits.

        Raises:
            Forbidden: the caller does not administer the organisation, or the operator set the limit.
            NotFound: the organisation has no such limit.
        """
        _administers(caller)
        await self._remove(limit_id, caller)

    async def remove_for(self, limit_id: str) -> None:
        """``remove`` by the operator, of whatever organisation.

        Raises:
            NotFound: there is no such limit.
        """
        await self._remove(limit_id, None)

    async def _remove(self, limit_id: str, caller: Caller | None) -> None:
        def drop(connection: Connection) -> None:
            limit = repository.get(connection, limit_id)
            if limit is None or (caller is not None and limit.organisation_id != caller.organisation_id):
                raise NotFound("There is no limit with this id.", code="limit_not_found", param="id")
            if caller is not None and limit.by_operator:
                raise Forbidden("The server's operator set this limit.", code="set_by_operator")
            repository.remove(connection, limit_id)
            self._versions.announce(connection, TOPIC)
            _note(connection, limit, "limits.removed", caller)

        await self._database.write(drop)
        await self._versions.check()

    async def forget_old(self) -> int:
        """Removes what was counted for periods that are long over; how much that was."""
        return await self._database.write(repository.forget, self._clock_ms() - _KEPT_MS)

    async def names(self, organisation_id: str | None) -> dict[str, str]:
        """What people call users and keys, by id; for showing lists."""
        return await self._database.read(names.names_of, organisation_id)

    async def organisations(self) -> dict[str, str]:
        """The names of all organisations, by id. For the operator."""
        return await self._database.read(names.organisations_by_id)

    async def _organisation(self, name: str) -> str:
        found = await self._database.read(names.organisation_id, name)
        if found is None:
            raise NotFound(f"There is no organisation {name!r}.", code="organisation_not_found")
        return found


_KEPT_MS = 70 * 86_400_000


def _administers(caller: Caller) -> None:
    if caller.role not in _ADMINS or caller.key_kind != "private":
        raise Forbidden("Only an administrator of the organisation may do this.", code="admin_needed")


def _check(wanted: NewLimit) -> None:
    if not 0 <= wanted.amount <= _MOST:
        raise InvalidInput("A limit is 0 or more.", param="amount")
    if wanted.scope == "organisation" and wanted.subject is not None:
        raise InvalidInput("A limit of the whole organisation has no subject.", param="subject")
    if wanted.gateway is not None and wanted.scope != "end_user":
        raise InvalidInput("Only a limit of end users can be narrowed to a gateway.", param="gateway")
    if wanted.subject is not None and not 0 < len(wanted.subject) <= 200:
        raise InvalidInput("A subject has 1 to 200 characters.", param="subject")


def _note(connection: Connection, limit: Limit, action: str, caller: Caller | None) -> None:
    details: dict[str, JsonValue] = {
        "scope": limit.scope,
        "subject": limit.subject,
        "measure": limit.measure,
        "period": limit.period,
        "amount": limit.amount,
        "hard": limit.hard,
    }
    if caller is None:
        record_by_operator(connection, limit.organisation_id, action, limit.id, **details)
    else:
        record(connection, caller, action, limit.id, outcome="done", **details)
