"""Structured logs on stderr, one event a line, with secrets taken out before anything is written."""

import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

REDACTED = "[redacted]"
_DEPTH = 6
# fmt: off
_SECRET_NAMES = frozenset({
    "access_token", "api_key", "apikey", "authorization", "cookie", "credential", "credentials", "messages",
    "passwd", "password", "private_key", "prompt", "prompts", "proxy_authorization", "refresh_token", "salt",
    "secret", "set_cookie", "token", "x_access_tokens", "x_api_key",
})
# fmt: on
_SECRET_ENDINGS = ("_api_key", "_password", "_secret", "_token")
_SECRET_TEXT = (
    (re.compile(r"\bsk-[A-Za-z0-9_-]{6,}"), "sk-" + REDACTED),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), r"\1 " + REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1" + REDACTED + "@"),
    (
        re.compile(
            r"((?:api[-_]?key|access[-_]token|password|secret|authorization|x-access-tokens)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[redacted\]|(?:Bearer|Basic)\s)[^\s&\"',;}]+",
            re.IGNORECASE,
        ),
        r"\1" + REDACTED,
    ),
)
# Their requests at level info would put whole URLs, queries included, into the log.
_QUIET_LOGGERS = ("httpx", "httpcore", "alembic", "asyncio", "urllib3")


def redact_text(text: str) -> str:
    """The text with everything that looks like a credential replaced."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _is_secret_name(name: str) -> bool:
    folded = name.lower().replace("-", "_")
    return folded in _SECRET_NAMES or folded.endswith(_SECRET_ENDINGS)


def _redact(value: object, depth: int) -> object:
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth <= 0:
        return REDACTED
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {
            str(key): REDACTED if _is_secret_name(str(key)) else _redact(item, depth - 1)
            for key, item in items
        }
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_redact(item, depth - 1) for item in cast("Sequence[object]", value)]
    return redact_text(repr(value))


def redaction(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The event with secrets replaced: by the name of their field, and by their look anywhere in a text."""
    return {
        name: REDACTED if _is_secret_name(name) and value is not None else _redact(value, _DEPTH)
        for name, value in event.items()
    }


def _json(event: EventDict, default: Callable[[object], object] | None = None, **_: object) -> str:
    return orjson.dumps(event, default=default or repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _closing_processors(form: LogFormat, stream: TextIO) -> list[Processor]:
    """Tracebacks become text first, so that redaction sees them; the renderer is last."""
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    return [structlog.processors.format_exc_info, redaction, renderer]


class _Steady:
    """A stream whose failures fail nobody: a full disk or a closed pipe costs log lines, not the work logged."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text, or loses it: there is no other place to say so."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        """Hands on what is buffered."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure_logging(
    level: LogLevel = "info", form: LogFormat = "json", *, stream: TextIO | None = None
) -> None:
    """Sends this program's events, and those of libraries that use ``logging``, to the stream (stderr by
    default).
    """
    target = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared_processors(), *_closing_processors(form, target)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Steady(target))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared_processors(), structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_closing_processors(form, target),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)


def bind_request(request_id: str, **facts: str) -> None:
    """Puts the request's id and facts (dialect, model, account) on every event of the current task."""
    structlog.contextvars.bind_contextvars(request_id=request_id, **facts)


def clear_request() -> None:
    """Takes what was bound off again."""
    structlog.contextvars.clear_contextvars()
