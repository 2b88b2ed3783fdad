"""Limits in sentences: what is spent, of what, when it refills."""

from datetime import UTC, datetime, tzinfo

from dragoman.domain.usage.budgets.model import Level, Limit, Measure, Scope

_WHOSE: dict[Scope, str] = {
    "organisation": "The organisation's",
    "user": "This user's",
    "key": "This API key's",
    "gateway": "This gateway's",
    "end_user": "This end user's",
}
_USED: dict[Measure, str] = {"requests": "sent", "tokens": "spent", "usd": "spent"}


def quantity(measure: Measure, amount: int) -> str:
    """An amount with its unit."""
    if measure == "usd":
        dollars = f"{amount / 1_000_000:,.6f}".rstrip("0")
        return f"US$ {dollars + '00'[: max(0, 2 - len(dollars.rsplit('.', 1)[1]))]}"
    return f"{amount:,} {measure if amount != 1 else measure[:-1]}"


def name_of(limit: Limit) -> str:
    """A limit as the subject of a sentence."""
    return f"{_WHOSE[limit.scope]} limit of {quantity(limit.measure, limit.amount)} a {limit.period}"


def moment(at: int, zone: tzinfo = UTC) -> str:
    """A moment for the eye."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M %Z")


def used_up(level: Level, zone: tzinfo = UTC) -> str:
    """Why something is refused, and when it will not be."""
    limit = level.limit
    told = f"{name_of(limit)} is used up: {quantity(limit.measure, level.spent)} {_USED[limit.measure]}"
    if level.reserved:
        told += f", {quantity(limit.measure, level.reserved)} reserved for answers under way"
    return f"{told}. It refills at {moment(level.until, zone)}."


def left(level: Level, zone: tzinfo = UTC) -> str:
    """What may still be used until when."""
    limit = level.limit
    can = "send" if limit.measure == "requests" else "spend"
    return (
        f"You can {can} {quantity(limit.measure, level.left)} until {moment(level.until, zone)} "
        f"({quantity(limit.measure, level.spent)} of {quantity(limit.measure, limit.amount)} a {limit.period} used)."
    )
