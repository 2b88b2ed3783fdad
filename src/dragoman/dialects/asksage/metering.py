"""Counting what operations use beside the answers that agents give."""

from contextlib import AbstractAsyncContextManager

from anyio import to_thread

from dragoman.dialects.asksage.operation import Call
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.budgets.limiter import Hold
from dragoman.domain.usage.meter import UsageContext, UsageKind
from dragoman.kit.clock import now_ms

APPLICATION = "asksage"


def reserved(
    call: Call, kind: UsageKind, model: str, usage: Usage
) -> AbstractAsyncContextManager[Hold | None]:
    """A hold on what will be recorded inside.

    Raises:
        PaymentRequired: a limit of tokens or money is used up.
        QuotaExceeded: a limit of requests is.
    """
    return call.services.meter.reserved(_context(call, kind), model=model, usage=usage)


async def record(call: Call, kind: UsageKind, model: str, usage: Usage, hold: Hold | None = None) -> None:
    """Writes one record of the caller's; a killed process cannot lose it once this returns."""
    meter, context = call.services.meter, _context(call, kind)
    await to_thread.run_sync(lambda: meter.record(context, model=model, usage=usage, status=200, hold=hold))


def _context(call: Call, kind: UsageKind) -> UsageContext:
    return UsageContext(
        caller=call.caller,
        dialect="asksage",
        application=APPLICATION,
        kind=kind,
        started_at=now_ms(),
    )


async def teach(call: Call, texts: list[str]) -> int:
    """Counts and records what was taught, in tokens of the embedder.

    Raises:
        QuotaExceeded: the caller may teach no more this month.
    """
    await call.services.limits.check(call.caller, "monthly_teach_tokens")
    profile = call.services.embed.profile
    model = profile.name if profile is not None else "none"
    counted = await call.services.tokens.total(texts, model)
    await record(call, "ingest", model, Usage(prompt_tokens=counted.tokens, estimated=counted.estimated))
    return counted.tokens
