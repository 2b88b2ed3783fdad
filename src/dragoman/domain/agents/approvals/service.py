"""Asking people whether a tool may be called, and their answers."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.approvals import repository
from dragoman.domain.agents.approvals.model import Approval, ApprovalFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

_DAY_MS = 86_400_000
_KEPT_MS = 90 * _DAY_MS
_LONGEST_NOTE = 2000
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that a run wants to make."""

    run_id: str
    agent_id: str | None
    agent_name: str
    person: str | None
    conversation_id: str | None
    tool: str
    risk: str
    arguments: JsonObject
    reason: str | None = None

    @property
    def digest(self) -> str:
        """Equal for the same call for the same person in the same conversation."""
        arguments = orjson.dumps(self.arguments, option=orjson.OPT_SORT_KEYS).decode("utf-8", "replace")
        parts = (self.agent_id or self.agent_name, self.person, self.conversation_id, self.tool, arguments)
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


class Approvals:
    """Calls by owner; nobody sees or decides another's.

    Args:
        days: how long a call can be decided, and an approved one be carried out.
    """

    def __init__(self, database: Database, *, days: float, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._open_ms = round(days * _DAY_MS)
        self._clock_ms = clock_ms
        self._decided = asyncio.Condition()

    async def ask(self, caller: Caller, wish: Wish) -> Approval:
        """What was decided of this very call, else the new or old question about it; it is stored when this returns."""

        def store(connection: Connection) -> Approval:
            now = self._clock_ms()
            known = repository.open_of(connection, caller, wish.digest, now)
            if known is not None:
                return known
            arguments = orjson.dumps(wish.arguments).decode("utf-8", "replace").replace("\\u0000", "")
            asked = Approval(
                id=uuid7(),
                call=wish.digest,
                run_id=wish.run_id,
                agent_id=wish.agent_id,
                agent_name=wish.agent_name,
                person=wish.person,
                conversation_id=wish.conversation_id,
                tool=wish.tool,
                risk=wish.risk,
                arguments=arguments,
                reason=wish.reason,
                state="pending",
                created_at=now,
                expires_at=now + self._open_ms,
            )
            repository.insert(connection, caller, asked, forget_before=now - _KEPT_MS)
            return asked

        return await self._database.write(store)

    async def decided(self, caller: Caller, approval: Approval, *, seconds: float) -> Approval:
        """The call once somebody has decided it, in whatever process; as it is when nobody did in that time."""
        try:
            async with asyncio.timeout(seconds):
                while approval.state == "pending":
                    await self._moment()
                    approval = await self.get(caller, approval.id)
        except TimeoutError:
            pass
        return approval

    async def use(self, caller: Caller, approval: Approval) -> bool:
        """Whether the approved call may be carried out now; it may once only."""
        return await self._database.write(
            repository.change, caller, approval.id, before="approved", to="used", now=self._clock_ms()
        )

    async def get(self, caller: Caller, approval_id: str) -> Approval:
        """One of the caller's calls.

        Raises:
            NotFound: the caller has no such call.
        """
        found = await self._database.read(repository.get, caller, approval_id, self._clock_ms())
        if found is None:
            raise NotFound("There is no approval with this id.", code="approval_not_found")
        return found

    async def select(self, caller: Caller, wanted: ApprovalFilter) -> list[Approval]:
        """The caller's calls that match, latest first."""
        return await self._database.read(repository.select, caller, wanted, self._clock_ms())

    async def decide(
        self, caller: Caller, approval_id: str, *, approve: bool, note: str | None = None
    ) -> Approval:
        """The call with the decision, which is final.

        Raises:
            NotFound: the caller has no such call.
            Conflict: it was decided already, or its time is over.
            InvalidInput: the note is too long.
        """
        if note is not None and (len(note) > _LONGEST_NOTE or "\0" in note):
            raise InvalidInput(
                f"A note has at most {_LONGEST_NOTE} characters, none of them NUL.", param="note"
            )

        def store(connection: Connection) -> Approval:
            now = self._clock_ms()
            changed = repository.change(
                connection,
                caller,
                approval_id,
                before="pending",
                to="approved" if approve else "rejected",
                now=now,
                note=note,
            )
            found = repository.get(connection, caller, approval_id, now)
            if found is None:
                raise NotFound("There is no approval with this id.", code="approval_not_found")
            if not changed:
                raise Conflict(f"The call is {found.state} already.", code="approval_decided")
            audit.record(connection, caller, "approval.answered", approval_id, answer=found.state)
            return found

        decided = await self._database.write(store)
        async with self._decided:
            self._decided.notify_all()
        return decided

    async def _moment(self) -> None:
        """Until somebody decides something in this process, or a look into the database is due."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS), self._decided:
                await self._decided.wait()
        except TimeoutError:
            pass
