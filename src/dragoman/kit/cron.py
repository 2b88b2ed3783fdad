"""Moments that come again and again, written as five cron fields."""

from datetime import UTC, datetime, tzinfo
from itertools import islice, pairwise

from cronsim import CronSim, CronSimError

from dragoman.kit.errors import InvalidInput

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LOOKED_AT = 50


def normal_cron(expression: str) -> str:
    """The expression as five fields.

    Raises:
        InvalidInput: it is none, or never comes.
    """
    fields = " ".join(expression.split())
    fields = _NAMED.get(fields.casefold(), fields)
    if len(fields.split(" ")) != 5:
        raise InvalidInput(
            "A cron expression has five fields: minute, hour, day of month, month, day of week.",
            param="cron",
            code="invalid_cron",
        )
    _first(fields, datetime.now(UTC))
    return fields


def next_moment(expression: str, after_ms: int, zone: tzinfo = UTC) -> int:
    """The first moment after that one, in milliseconds.

    Raises:
        InvalidInput: the expression is none, or never comes again.
    """
    after = datetime.fromtimestamp(after_ms / 1000, zone)
    return int(_first(expression, after).timestamp() * 1000)


def shortest_gap_seconds(expression: str, zone: tzinfo = UTC) -> float:
    """The least time between two of the coming moments."""
    moments = list(islice(_moments(expression, datetime.now(zone)), _LOOKED_AT))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    return min(gaps, default=float("inf"))


def _first(expression: str, after: datetime) -> datetime:
    try:
        return next(_moments(expression, after))
    except StopIteration as error:
        raise InvalidInput(
            f"The cron expression {expression!r} never comes.", param="cron", code="invalid_cron"
        ) from error


def _moments(expression: str, after: datetime) -> CronSim:
    try:
        return CronSim(expression, after)
    except CronSimError as error:
        raise InvalidInput(
            f"The cron expression {expression!r} is not valid: {error}.", param="cron", code="invalid_cron"
        ) from error
