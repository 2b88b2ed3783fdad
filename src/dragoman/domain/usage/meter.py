"""Recording what was used: the one way in for every answer, on the relay as on the agents' path."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.budgets.limiter import Hold, Limiter
from dragoman.domain.usage.journal import Journal, UsageRecord
from dragoman.kit.clock import now_ms
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.slip import current_slip

# From a model's name and what was used to its price in millionths of a US dollar.
Price = Callable[[str, Usage], int]
# From an item and how much of it was used, as 2.5 minutes.
PriceOfUse = Callable[[str, float], int]
UsageKind = Literal["chat", "embedding", "ingest", "tool", "speech", "transcription"]

_MAXIMUM_INTEGER = 2**31 - 1
_DIALECT_LENGTH = 16
_APPLICATION_LENGTH = 100
_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class UsageContext:
    """Who used something for what. ``started_at`` is in milliseconds since 1970.

    ``request_id`` becomes the record's id; give it only where a request leaves one record. ``receipt_id`` names the
    receipt, where that is not the one of the request at hand. ``counts``: whether this may be what makes a request count.
    """

    caller: Caller
    dialect: str
    kind: UsageKind
    started_at: int
    agent_id: str | None = None
    application: str | None = None
    end_user: str | None = None
    request_id: str | None = None
    receipt_id: str | None = None
    counts: bool = True


class Meter:
    """Reserves what answers may use, and writes usage records to the journal.

    Args:
        price: prices tokens of models where no price is given.
        price_of_use: prices uses of anything else.
        limiter: holds the limits; without it nothing is limited.
        told: is given each record, too.
        answer_tokens: reckoned with for answers of which nobody says how long they may be.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        price: Price | None = None,
        price_of_use: PriceOfUse | None = None,
        limiter: Limiter | None = None,
        answer_tokens: int = 4096,
        told: Callable[[UsageRecord], None] | None = None,
    ) -> None:
        self._journal = journal
        self._price = price
        self._price_of_use = price_of_use
        self._limiter = limiter
        self.answer_tokens = answer_tokens
        self._told = told

    def limited(self, caller: Caller) -> bool:
        """Whether any limit is set in the caller's organisation, so that estimates are worth their cost."""
        return self._limiter is not None and bool(self._limiter.limits_of(caller.organisation_id))

    async def reserve(
        self,
        context: UsageContext,
        *,
        model: str,
        usage: Usage,
        cost_micro_usd: int | None = None,
    ) -> Hold | None:
        """A hold on what an answer may use at most; None where no limit is set. Give it to ``record`` or ``release``.

        Raises:
            PaymentRequired: a limit of tokens or money is used up.
            QuotaExceeded: a limit of requests is, or one of a minute.
            Unavailable: the database cannot be reached.
        """
        if self._limiter is None or not self._limiter.limits_of(context.caller.organisation_id):
            return None
        slip = current_slip()
        first = context.counts and (slip is None or not slip.counted)
        estimate = self._record(context, model, usage, 500, cost_micro_usd, requests=int(first))
        hold = await self._limiter.reserve(estimate)
        if slip is not None and hold is not None:
            slip.counted = True
            slip.warn(hold.warnings)
        return hold

    def release(self, hold: Hold | None) -> None:
        """Gives up a hold of which nothing was used; one that was recorded stays as it is."""
        if self._limiter is not None:
            self._limiter.release(hold)

    @asynccontextmanager
    async def reserved(
        self, context: UsageContext, *, model: str, usage: Usage, cost_micro_usd: int | None = None
    ) -> AsyncGenerator[Hold | None]:
        """``reserve`` around a piece of work; what was not recorded by its end is released.

        Raises:
            PaymentRequired: a limit of tokens or money is used up.
            QuotaExceeded: a limit of requests is, or one of a minute.
            Unavailable: the database cannot be reached.
        """
        hold = await self.reserve(context, model=model, usage=usage, cost_micro_usd=cost_micro_usd)
        try:
            yield hold
        finally:
            self.release(hold)

    def record(
        self,
        context: UsageContext,
        *,
        model: str,
        usage: Usage,
        status: int,
        cost_micro_usd: int | None = None,
        hold: Hold | None = None,
    ) -> None:
        """Keeps one answer's usage; returns once a killed process cannot lose it, and never fails the answer.

        Call it before the answer's last byte is sent. ``status`` is the HTTP status answered, 499 when
        the client hung up. ``cost_micro_usd`` is given where it is not the price of the model's tokens.
        ``hold`` is settled by it.
        """
        if hold is None:
            slip = current_slip()
            requests = int(context.counts and (slip is None or not slip.counted))
            if slip is not None:
                slip.counted = True
            record = self._record(context, model, usage, status, cost_micro_usd, requests=requests)
        else:
            requests = hold.estimate.requests
            record = self._record(context, model, usage, status, cost_micro_usd, requests=requests)
            record = replace(record, id=hold.estimate.id, receipt_id=hold.estimate.receipt_id)
        self._journal.append(record)
        if self._told is not None:
            self._told(record)
        if self._limiter is not None:
            self._limiter.settle(hold, record)

    def tell(self, caller: Caller, receipt_id: str, told: JsonObject) -> None:
        """Keeps what a receipt has to tell beside what was used."""
        self._journal.receipt(
            {
                "id": receipt_id,
                "organisation_id": caller.organisation_id,
                "user_id": caller.user_id,
                "at": now_ms(),
                "told": told,
            }
        )

    def use(self, context: UsageContext, *, item: str, quantity: float, hold: Hold | None = None) -> None:
        """Keeps so much use of something that is no model; see ``record``."""
        cost = self.price_of_use(item, quantity)
        self.record(context, model=item, usage=Usage(), status=200, cost_micro_usd=cost, hold=hold)

    def price_of_use(self, item: str, quantity: float) -> int:
        """What so much use costs, in millionths of a US dollar."""
        return 0 if self._price_of_use is None else self._price_of_use(item, quantity)

    def _record(
        self,
        context: UsageContext,
        model: str,
        usage: Usage,
        status: int,
        cost_micro_usd: int | None,
        *,
        requests: int,
    ) -> UsageRecord:
        caller, slip, now = context.caller, current_slip(), now_ms()
        if cost_micro_usd is None:
            cost_micro_usd = self._price(model, usage) if self._price is not None else 0
        receipt_id = context.receipt_id or (None if slip is None else slip.id)
        record_id = context.request_id or uuid7()
        return UsageRecord(
            id=record_id,
            at=now,
            organisation_id=caller.organisation_id,
            user_id=caller.user_id,
            key_id=caller.key_id,
            agent_id=context.agent_id,
            dialect=context.dialect[:_DIALECT_LENGTH],
            application=_text(context.application, _APPLICATION_LENGTH),
            kind=context.kind,
            model=_text(model, _NAME_LENGTH) or "",
            end_user=_text(context.end_user, _NAME_LENGTH),
            prompt_tokens=_count(usage.prompt_tokens),
            completion_tokens=_count(usage.completion_tokens),
            cached_tokens=_count(usage.cached_tokens),
            estimated=usage.estimated,
            cost_micro_usd=cost_micro_usd,
            duration_ms=_count(now - context.started_at),
            status=status,
            requests=requests,
            receipt_id=None if receipt_id == record_id else receipt_id,
        )


def _text(text: str | None, limit: int) -> str | None:
    """The text as both databases and JSON can hold it."""
    if text is None or (len(text) <= limit and text.isascii() and "\0" not in text):
        return text
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _count(number: int) -> int:
    return min(max(number, 0), _MAXIMUM_INTEGER)
