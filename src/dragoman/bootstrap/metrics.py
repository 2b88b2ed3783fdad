"""What is counted for Prometheus: every name in one table, and who counts."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dragoman.db.database import Database
from dragoman.db.jobs import Counts, counts
from dragoman.domain.knowledge.reembed import Reembedding
from dragoman.domain.usage.journal import UsageRecord
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_QUEUE_PAUSE_SECONDS = 15.0
_MICRO = 1_000_000
_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ANSWER_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One name. ``counter`` names end in ``_total``; a histogram also has ``_bucket``, ``_sum`` and ``_count``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


HTTP_REQUESTS = Metric(
    "dragoman_http_requests_total", "counter", ("dialect", "status"), "Requests answered, the relay's aside"
)
HTTP_SECONDS = Metric(
    "dragoman_http_request_seconds", "histogram", ("dialect",), "Time to the end of the answer"
)
USES = Metric(
    "dragoman_uses_total",
    "counter",
    ("kind", "dialect", "status"),
    "Metered answers: kind is chat (the relay's included), embedding, ingest, tool, speech or transcription",
)
USE_SECONDS = Metric(
    "dragoman_use_seconds", "histogram", ("kind",), "Time from the request to the end of a metered answer"
)
TOKENS = Metric(
    "dragoman_tokens_total",
    "counter",
    ("kind", "direction"),
    "Tokens: prompt, cached (part of prompt), completion",
)
COST = Metric("dragoman_cost_usd_total", "counter", ("kind",), "Cost by the price table, in US dollars")
RETRIEVAL = Metric(
    "dragoman_retrieval_seconds",
    "histogram",
    ("stage",),
    "Time of one stage of a search: collections, embed, search, rerank",
)
REFUSED = Metric(
    "dragoman_egress_refused_total", "counter", (), "Calls to addresses that the egress guard refused"
)
JOBS = Metric(
    "dragoman_jobs",
    "gauge",
    ("state",),
    "Background jobs in the database by state: queued, running, done, failed; the same in every process",
)
JOBS_AGE = Metric(
    "dragoman_jobs_oldest_due_seconds",
    "gauge",
    (),
    "Since when the longest waiting job is due; 0 without one",
)
CHANNEL_MESSAGES = Metric(
    "dragoman_channel_messages_total",
    "counter",
    ("channel", "outcome"),
    "Messages on messaging services: received (new ones), forged (refused calls), sent, retried, dead (given up)",
)
SANDBOX_RUNS = Metric(
    "dragoman_sandbox_runs_total",
    "counter",
    ("backend", "ending"),
    "Programs that agents ran, by back end and by how they ended",
)
SANDBOX_SECONDS = Metric(
    "dragoman_sandbox_run_seconds",
    "histogram",
    ("backend",),
    "Time of a program, its wait for a turn left out",
)
REEMBEDDING = Metric(
    "dragoman_collections_reembedding",
    "gauge",
    (),
    "Collections whose vectors are being made anew by another embedder; the same in every process",
)
WORDS_ONLY = Metric(
    "dragoman_collections_words_only",
    "gauge",
    (),
    "Collections searched by words alone, as the embedder of their vectors is not here; the same in every process",
)
VOICE_OPEN = Metric(
    "dragoman_voice_calls_open", "gauge", (), "Conversations by voice under way in this process"
)
VOICE_ENDED = Metric(
    "dragoman_voice_calls_ended_total", "counter", ("reason",), "Conversations by voice that are over"
)
VOICE_TURN = Metric(
    "dragoman_voice_turn_seconds",
    "histogram",
    ("stage",),
    "Time of one stage of a spoken turn: vad, stt, eou_delay, llm_ttft, tts_ttfb; e2e is the whole",
)
METRICS = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    USES,
    USE_SECONDS,
    TOKENS,
    COST,
    RETRIEVAL,
    REFUSED,
    JOBS,
    JOBS_AGE,
    CHANNEL_MESSAGES,
    SANDBOX_RUNS,
    SANDBOX_SECONDS,
    REEMBEDDING,
    WORDS_ONLY,
    VOICE_OPEN,
    VOICE_ENDED,
    VOICE_TURN,
)

_HEAD = """# Metrics

`GET /metrics` of every `serve` and `work` process, in Prometheus' text format: for the bearer of `server.metrics_token`, or
from this machine only when there is no token. Names and labels stay as they are; new ones may come. Beside these there are the
usual `process_...` and `python_...` of Prometheus' client library. No label holds a name of a user, model or collection.
`deploy/dashboards/` has a dashboard for Grafana over these names.

| name | kind | labels | meaning |
| --- | --- | --- | --- |
"""


def reference() -> str:
    """The page of names as Markdown."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels) or '-'} | {metric.meaning} |"
        for metric in METRICS
    ]
    return _HEAD + "\n".join(rows) + "\n"


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """The metric, registered."""
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """The metric, registered."""
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry, buckets: tuple[float, ...]) -> Histogram:
    """The metric, registered."""
    return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=buckets)


class Metrics:
    """Takes what happens in one process; made before the parts that tell it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._uses = counter(USES, self.registry)
        self._use_seconds = histogram(USE_SECONDS, self.registry, ANSWER_SECONDS)
        self._tokens = counter(TOKENS, self.registry)
        self._cost = counter(COST, self.registry)
        self._retrieval = histogram(RETRIEVAL, self.registry, _STAGE_SECONDS)
        self._refused = counter(REFUSED, self.registry)
        self._jobs = gauge(JOBS, self.registry)
        self._jobs_age = gauge(JOBS_AGE, self.registry)
        self._channel_messages = counter(CHANNEL_MESSAGES, self.registry)
        self._sandbox_runs = counter(SANDBOX_RUNS, self.registry)
        self._sandbox_seconds = histogram(SANDBOX_SECONDS, self.registry, ANSWER_SECONDS)
        self._reembedding = gauge(REEMBEDDING, self.registry)
        self._words_only = gauge(WORDS_ONLY, self.registry)
        self._voice_open = gauge(VOICE_OPEN, self.registry)
        self._voice_ended = counter(VOICE_ENDED, self.registry)
        self._voice_turn = histogram(VOICE_TURN, self.registry, _STAGE_SECONDS)

    def used(self, record: UsageRecord) -> None:
        """Takes a metered answer."""
        kind = record.kind
        self._uses.labels(kind, record.dialect, f"{record.status // 100}xx").inc()
        self._use_seconds.labels(kind).observe(record.duration_ms / 1000)
        self._tokens.labels(kind, "prompt").inc(record.prompt_tokens)
        self._tokens.labels(kind, "cached").inc(record.cached_tokens)
        self._tokens.labels(kind, "completion").inc(record.completion_tokens)
        self._cost.labels(kind).inc(max(record.cost_micro_usd, 0) / _MICRO)

    def stage(self, stage: str, seconds: float) -> None:
        """Takes one stage of a search."""
        self._retrieval.labels(stage).observe(seconds)

    def refused(self) -> None:
        """Takes a call that the egress guard refused."""
        self._refused.inc()

    def channel(self, channel: str, outcome: str, messages: int = 1) -> None:
        """Takes messages of a messaging service."""
        self._channel_messages.labels(channel, outcome).inc(messages)

    def sandbox(self, backend: str, ending: str, seconds: float) -> None:
        """Takes a program that ended."""
        self._sandbox_runs.labels(backend, ending).inc()
        self._sandbox_seconds.labels(backend).observe(seconds)

    async def watch_embedders(self, reembedding: Reembedding) -> None:
        """Looks at collections' embedders for ever, four times a minute; start it with ``kit.tasks``."""
        while True:
            try:
                under_way, gone = await reembedding.summary()
            except DragomanError as error:
                log.warning("metrics.embedders_unknown", reason=error.detail)
            else:
                self._reembedding.set(under_way)
                self._words_only.set(sum(gone.values()))
            await asyncio.sleep(_QUEUE_PAUSE_SECONDS)

    def call_began(self) -> None:
        """Takes a conversation by voice."""
        self._voice_open.inc()

    def call_ended(self, reason: str) -> None:
        """Takes the end of one."""
        self._voice_open.dec()
        self._voice_ended.labels(reason).inc()

    def turn_stage(self, stage: str, seconds: float) -> None:
        """Takes one stage of a spoken turn."""
        self._voice_turn.labels(stage).observe(seconds)

    def queue(self, found: Counts, now: int) -> None:
        """Takes how many jobs there are."""
        for state, number in (
            ("queued", found.queued),
            ("running", found.running),
            ("done", found.done),
            ("failed", found.failed),
        ):
            self._jobs.labels(state).set(number)
        oldest = found.oldest_due_at
        self._jobs_age.set(0 if oldest is None else max(0, now - oldest) / 1000)

    async def watch_queue(self, database: Database) -> None:
        """Looks at the queue for ever, four times a minute; start it with ``kit.tasks``."""
        while True:
            now = now_ms()
            try:
                self.queue(await database.read(counts, now), now)
            except DragomanError as error:
                log.warning("metrics.queue_unknown", reason=error.detail)
            await asyncio.sleep(_QUEUE_PAUSE_SECONDS)
