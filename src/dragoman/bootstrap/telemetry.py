"""The collector that runs of agents are told to, if there is one."""

import importlib
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import Protocol, cast

import structlog
from anyio import to_thread

from dragoman.domain.agents.traces.service import TraceSink
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class _Spans(TraceSink, Protocol):
    def close(self) -> None: ...


def open_sinks(settings: Settings, stack: AsyncExitStack) -> tuple[TraceSink, ...]:
    """Who is told of runs; what needs closing is given to the stack.

    Without the packages of the extra ``telemetry`` nobody is, and the log says so.
    """
    endpoint = settings.telemetry.collector
    if endpoint is None:
        return ()
    absent = [package for package in _NEEDED if not _is_there(package)]
    if absent:
        log.warning("telemetry.unavailable", missing=absent, install="dragoman[telemetry]")
        return ()
    module = importlib.import_module("dragoman.adapters.telemetry.spans")
    spans = cast("_Spans", module.RunSpans(endpoint, service_name=settings.telemetry.service_name))
    stack.push_async_callback(to_thread.run_sync, spans.close)
    return (spans,)


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
