"""Runs of agents as OpenTelemetry spans, named by the conventions for generative AI. Needs the extra ``telemetry``."""

from collections.abc import Mapping

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from dragoman.domain.agents.traces.model import RunTrace, Step, StepKind

log = structlog.get_logger(__name__)

_QUEUE = 2048
_EXPORT_SECONDS = 10.0
_NS = 1_000_000
_FAILURES = ("failed", "rejected", "expired")

# Who answers, as far as whoever reads a span can tell: which provider stands behind a model is the catalogue's business.
PROVIDER = "dragoman"
# Every name that leaves this module.
RUN_OPERATION = "invoke_agent"
OPERATIONS: Mapping[StepKind, str] = {
    "model": "chat",
    "tool": "execute_tool",
    "worker": "dragoman.worker",
    "approval": "dragoman.approval",
    "decision": "dragoman.decision",
}
ATTRIBUTES: Mapping[str, str] = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "agent_id": "gen_ai.agent.id",
    "agent_name": "gen_ai.agent.name",
    "conversation_id": "gen_ai.conversation.id",
    "model": "gen_ai.request.model",
    "tool": "gen_ai.tool.name",
    "tool_type": "gen_ai.tool.type",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "error": "error.type",
    "run_id": "dragoman.run.id",
    "ended": "dragoman.run.ended",
    "rounds": "dragoman.run.rounds",
    "cost": "dragoman.run.cost_usd",
    "dialect": "dragoman.dialect",
    "origin": "dragoman.origin",
    "round": "dragoman.round",
    "state": "dragoman.state",
    "bytes": "dragoman.result.bytes",
}


class RunSpans:
    """Sends each run as a span with one span a step below it; what was said or given is not among them.

    Args:
        endpoint: base address of an OTLP collector over HTTP.
    """

    def __init__(self, endpoint: str, *, service_name: str) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=_EXPORT_SECONDS)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service_name}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
        self._tracer = self._provider.get_tracer("dragoman")

    def put(self, trace: RunTrace) -> None:
        """Takes a run that has ended; spans are dropped when the collector does not keep up."""
        run = self._tracer.start_span(
            f"{RUN_OPERATION} {trace.agent_name}",
            context=Context(),
            kind=SpanKind.INTERNAL,
            attributes=_run_attributes(trace),
            start_time=trace.started_at * _NS,
        )
        if trace.ended in _FAILURES:
            run.set_status(Status(StatusCode.ERROR))
        below = set_span_in_context(run, Context())
        for step in trace.steps:
            span = self._tracer.start_span(
                f"{OPERATIONS[step.kind]} {step.name}",
                context=below,
                kind=SpanKind.CLIENT if step.kind == "model" else SpanKind.INTERNAL,
                attributes=_step_attributes(step),
                start_time=step.started_at * _NS,
            )
            if step.state in _FAILURES:
                span.set_status(Status(StatusCode.ERROR))
            span.end((step.started_at + step.duration_ms) * _NS)
        run.end(trace.ended_at * _NS)

    def close(self) -> None:
        """Sends what waits, within the exporter's bound. Blocks."""
        self._provider.shutdown()


def _run_attributes(trace: RunTrace) -> dict[str, AttributeValue]:
    return _named(
        {
            "operation": RUN_OPERATION,
            "provider": PROVIDER,
            "agent_id": trace.agent_id,
            "agent_name": trace.agent_name,
            "conversation_id": trace.conversation_id,
            "model": trace.model or None,
            "prompt_tokens": trace.prompt_tokens,
            "completion_tokens": trace.completion_tokens,
            "error": trace.ended if trace.ended in _FAILURES else None,
            "run_id": trace.id,
            "ended": trace.ended,
            "rounds": trace.rounds,
            "cost": trace.cost_micro_usd / 1_000_000,
            "dialect": trace.dialect,
            "origin": trace.origin,
        }
    )


def _step_attributes(step: Step) -> dict[str, AttributeValue]:
    model, tool = step.kind == "model", step.kind == "tool"
    return _named(
        {
            "operation": OPERATIONS[step.kind],
            "provider": PROVIDER if model else None,
            "model": step.name if model else None,
            "prompt_tokens": step.prompt_tokens if model else None,
            "completion_tokens": step.completion_tokens if model else None,
            "tool": step.name if tool else None,
            "tool_type": "function" if tool else None,
            "error": step.state if step.state in _FAILURES else None,
            "round": step.round,
            "state": step.state,
            "bytes": step.bytes if tool else None,
        }
    )


def _named(values: Mapping[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    return {ATTRIBUTES[name]: value for name, value in values.items() if value is not None}
