"""Recording what was used: the one way in for every answer, on the relay as on the agents' path."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.journal import Journal, UsageRecord
from dragoman.kit.clock import now_ms
from dragoman.kit.ids import uuid7

# From a model's name and what was used to its price in millionths of a US dollar.
Price = Callable[[str, Usage], int]
UsageKind = Literal["chat", "embedding", "ingest", "tool", "speech", "transcription"]

_MAXIMUM_INTEGER = 2**31 - 1
_DIALECT_LENGTH = 16
_APPLICATION_LENGTH = 100
_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class UsageContext:
    """Who used something for what. ``started_at`` is in milliseconds since 1970.

    ``request_id`` becomes the record's id; give it only where a request leaves one record.
    """

    caller: Caller
    dialect: str
    kind: UsageKind
    started_at: int
    agent_id: str | None = None
    application: str | None = None
    end_user: str | None = None
    request_id: str | None = None


class Meter:
    """Writes usage records to the journal."""

    def __init__(self, journal: Journal, *, price: Price | None = None) -> None:
        self._journal = journal
        self._price = price

    def record(
        self,
        context: UsageContext,
        *,
        model: str,
        usage: Usage,
        status: int,
        cost_micro_usd: int | None = None,
    ) -> None:
        """Keeps one answer's usage; returns once a killed process cannot lose it, and never fails the answer.

        Call it before the answer's last byte is sent. ``status`` is the HTTP status answered, 499 when
        the client hung up. ``cost_micro_usd`` is given where it is not the price of the model's tokens.
        """
        caller = context.caller
        now = now_ms()
        if cost_micro_usd is None:
            cost_micro_usd = self._price(model, usage) if self._price is not None else 0
        self._journal.append(
            UsageRecord(
                id=context.request_id or uuid7(),
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
            )
        )


def _text(text: str | None, limit: int) -> str | None:
    """The text as both databases and JSON can hold it."""
    if text is None or (len(text) <= limit and text.isascii() and "\0" not in text):
        return text
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _count(number: int) -> int:
    return min(max(number, 0), _MAXIMUM_INTEGER)
