"""The last lines of this process's log, kept in memory for those who look after the server."""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import structlog
from structlog.typing import EventDict, WrappedLogger

from dragoman.kit.logs import redact_text

_MOST_LINES = 1000
_LONGEST = 500
# A traceback may quote what somebody sent; it is in the server's own log only.
_LEFT_OUT = frozenset(
    ("event", "level", "timestamp", "logger", "exception", "exc_info", "stack", "stack_info")
)
_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Line:
    """One event of the log, without tracebacks; ``facts`` are its other fields as text."""

    at: str
    level: str
    event: str
    facts: Mapping[str, str]


class RecentLines:
    """A bounded memory of events after their redaction; an instance is a processor of structlog."""

    def __init__(self, most: int = _MOST_LINES) -> None:
        self._lines: deque[Line] = deque(maxlen=most)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Keeps the event and hands it on."""
        self._lines.append(
            Line(
                str(event.get("timestamp", "")),
                str(event.get("level", "info")),
                _short(event.get("event", "")),
                {name: _short(value) for name, value in event.items() if name not in _LEFT_OUT},
            )
        )
        return event

    def select(self, *, least: str = "debug", text: str = "", limit: int = 200) -> list[Line]:
        """The latest lines of at least that level that have the text anywhere, the latest first."""
        floor = _LEVELS.index(least) if least in _LEVELS else 0
        wanted = text.casefold()
        found = (
            line
            for line in reversed(tuple(self._lines))
            if _rank(line.level) >= floor and wanted in _text(line)
        )
        return list(islice(found, limit))

    def watch(self) -> None:
        """Takes part in the logging that is configured: of this program before it is written, of libraries beside."""
        processors = structlog.get_config()["processors"]
        structlog.configure(processors=[*processors[:-1], self, processors[-1]])
        logging.getLogger().addHandler(_Handler(self))


class _Handler(logging.Handler):
    def __init__(self, recent: RecentLines) -> None:
        super().__init__()
        self._recent = recent

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a library's record."""
        event: EventDict = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": redact_text(record.getMessage()),
            "source": record.name,
        }
        self._recent(None, "", event)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 1


def _text(line: Line) -> str:
    return "\n".join((line.event, *(f"{name}={value}" for name, value in line.facts.items()))).casefold()
