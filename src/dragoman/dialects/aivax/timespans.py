"""Durations: ``[d.]hh:mm:ss[.fff]``, a number of seconds, or ISO-8601 ``PT…``; kept as milliseconds."""

import re
from dataclasses import dataclass

from dragoman.dialects.aivax.fields import wrong
from dragoman.kit.jsontypes import JsonValue

_CLOCK = re.compile(r"(?:(\d{1,5})\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d)(?:\.(\d{1,7}))?")
_ISO = re.compile(r"P(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,11}(?:\.\d{1,6})?)S)?)?")
_DAY_MS, _HOUR_MS, _MINUTE_MS = 86_400_000, 3_600_000, 60_000

_MOST_SECONDS = 1e12


def parse_span(value: object) -> int | None:
    """Milliseconds, None when it is no duration."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(value * 1000) if 0 <= value <= _MOST_SECONDS else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups()[:4])
        fraction = int((clock[5] or "0").ljust(3, "0")[:3])
        if hours > 23 and clock[1] is not None:
            return None
        return days * _DAY_MS + hours * _HOUR_MS + minutes * _MINUTE_MS + seconds * 1000 + fraction
    iso = _ISO.fullmatch(text.upper())
    if iso is None or not any(iso.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in iso.groups()[:3])
    return days * _DAY_MS + hours * _HOUR_MS + minutes * _MINUTE_MS + round(float(iso[4] or 0) * 1000)


def write_span(milliseconds: int | None) -> str | None:
    """``hh:mm:ss``, with days before and a fraction after where there are any."""
    if milliseconds is None:
        return None
    days, rest = divmod(milliseconds, _DAY_MS)
    hours, rest = divmod(rest, _HOUR_MS)
    minutes, rest = divmod(rest, _MINUTE_MS)
    seconds, fraction = divmod(rest, 1000)
    before = f"{days}." if days else ""
    after = f".{fraction:03}" if fraction else ""
    return f"{before}{hours:02}:{minutes:02}:{seconds:02}{after}"


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A duration within bounds of milliseconds."""

    minimum_ms: int
    maximum_ms: int
    nullable: bool = True

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        span = parse_span(value)
        if span is None:
            raise wrong(path, "must be a duration such as 03:00:00, a number of seconds, or PT3H")
        if not self.minimum_ms <= span <= self.maximum_ms:
            raise wrong(path, f"must be from {write_span(self.minimum_ms)} to {write_span(self.maximum_ms)}")
        return span

    def schema(self) -> dict[str, JsonValue]:
        return {"type": ["string", "number", "null"] if self.nullable else ["string", "number"]}


class Span:
    """A duration between its published form and the domain's milliseconds. Reading was done by ``TimeSpan``."""

    def inward(self, value: JsonValue) -> JsonValue:
        return value

    def outward(self, value: JsonValue) -> JsonValue:
        return write_span(value) if isinstance(value, int) else None
