"""The names of metrics are one table: what is registered, the page and the dashboard agree with it."""

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from dragoman.bootstrap.asgi import HttpMetrics
from dragoman.bootstrap.metrics import METRICS, Metrics, reference
from dragoman.db.jobs import Counts
from dragoman.domain.usage.journal import UsageRecord

ROOT = Path(__file__).parents[2]


def registered(registry: CollectorRegistry) -> set[str]:
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
        if family.name.startswith("dragoman_")
    }


def test_every_name_of_the_table_is_registered_and_no_other() -> None:
    metrics = Metrics()
    HttpMetrics(metrics.registry)
    assert registered(metrics.registry) == {metric.name for metric in METRICS}


def test_the_page_is_what_the_table_says() -> None:
    committed = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert committed == reference(), "write it anew from dragoman.bootstrap.metrics.reference()"


def test_the_dashboard_asks_only_for_names_and_labels_that_exist() -> None:
    named = {metric.name: metric for metric in METRICS}
    dashboard = json.loads((ROOT / "deploy/dashboards/dragoman.json").read_text(encoding="utf-8"))
    asked: set[str] = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            (found,) = set(re.findall(r"dragoman_\w+", target["expr"]))
            base = re.sub(r"_(bucket|sum|count)$", "", found)
            metric = named[base]
            assert (found != base) == (metric.kind == "histogram"), found
            by = re.search(r"by \(([^)]*)\)", target["expr"])
            labels = {label.strip() for label in by.group(1).split(",")} if by else set[str]()
            assert labels <= {*metric.labels, "le"}, target["expr"]
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels
            asked.add(base)
    assert asked == set(named)


def test_an_answer_a_stage_a_refusal_and_the_queue_are_counted() -> None:
    metrics = Metrics()
    metrics.used(
        UsageRecord(
            id="1",
            at=0,
            organisation_id="o",
            user_id="u",
            key_id=None,
            agent_id=None,
            dialect="openai",
            application=None,
            kind="chat",
            model="m",
            end_user=None,
            prompt_tokens=7,
            completion_tokens=3,
            cached_tokens=2,
            estimated=False,
            cost_micro_usd=1500,
            duration_ms=40,
            status=200,
        )
    )
    metrics.stage("search", 0.004)
    metrics.refused()
    metrics.call_began()
    metrics.call_began()
    metrics.call_ended("silence")
    metrics.turn_stage("e2e", 0.5)
    metrics.queue(Counts(queued=4, running=1, done=0, failed=2, oldest_due_at=1000), 3500)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert value("dragoman_uses_total", kind="chat", dialect="openai", status="2xx") == 1
    assert value("dragoman_use_seconds_sum", kind="chat") == 0.04
    assert value("dragoman_tokens_total", kind="chat", direction="prompt") == 7
    assert value("dragoman_tokens_total", kind="chat", direction="completion") == 3
    assert value("dragoman_cost_usd_total", kind="chat") == 0.0015
    assert value("dragoman_retrieval_seconds_count", stage="search") == 1
    assert value("dragoman_egress_refused_total") == 1
    assert value("dragoman_voice_calls_open") == 1
    assert value("dragoman_voice_calls_ended_total", reason="silence") == 1
    assert value("dragoman_voice_turn_seconds_sum", stage="e2e") == 0.5
    assert value("dragoman_jobs", state="queued") == 4
    assert value("dragoman_jobs_oldest_due_seconds") == 2.5


def test_messages_and_programs_are_counted() -> None:
    metrics = Metrics()
    metrics.channel("telegram", "received", 3)
    metrics.channel("telegram", "dead")
    metrics.sandbox("bubblewrap", "exit", 0.2)
    value = metrics.registry.get_sample_value
    assert value("dragoman_channel_messages_total", {"channel": "telegram", "outcome": "received"}) == 3
    assert value("dragoman_channel_messages_total", {"channel": "telegram", "outcome": "dead"}) == 1
    assert value("dragoman_sandbox_runs_total", {"backend": "bubblewrap", "ending": "exit"}) == 1
    assert value("dragoman_sandbox_run_seconds_sum", {"backend": "bubblewrap"}) == 0.2
