"""Trying out a regular expression on samples, in a child process: an expression may run for ever."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.kit.errors import InvalidInput
from dragoman.kit.processes import ChildPool, ChildTimeout

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Matched:
    """``found`` is the part of the sample that the expression matches, None when it does not."""

    sample: str
    found: str | None


def try_pattern(pattern: str, samples: Sequence[str]) -> list[Matched]:
    """What the expression finds in each sample; blocks, perhaps for ever.

    Raises:
        InvalidInput: it is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(f"{pattern[:200]!r} is no regular expression: {error}.") from error
    found = [compiled.search(sample) for sample in samples]
    return [
        Matched(sample, match.group(0) if match else None)
        for sample, match in zip(samples, found, strict=True)
    ]


class PatternTrial:
    """Tries expressions out within a bound of time."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def matches(self, pattern: str, samples: Sequence[str]) -> list[Matched]:
        """What the expression finds in each sample.

        Raises:
            InvalidInput: it is no regular expression, or it takes too long.
        """
        try:
            return await self._pool.call(try_pattern, pattern, tuple(samples), timeout_seconds=_SECONDS)
        except ChildTimeout as error:
            raise InvalidInput(
                f"The expression {pattern[:200]!r} takes too long on the samples.", code="pattern_slow"
            ) from error
