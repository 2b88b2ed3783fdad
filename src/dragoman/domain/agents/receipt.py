"""What the receipt of an answer tells beside the lines of what was used."""

from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.request import RunReport
from dragoman.domain.labels.model import WORDS, Decision
from dragoman.domain.usage.budgets import words
from dragoman.domain.usage.budgets.limiter import Reserved
from dragoman.kit.jsontypes import JsonObject, JsonValue

_MOST_DOCUMENTS = 100
_MICRO = 1_000_000


def told_of(agent: ResolvedAgent, report: RunReport) -> JsonObject:
    """One answer: who gave it, which way it took, what it rests on, what was decided."""
    return {
        "run": report.run_id,
        "agent": {"id": agent.id, "name": agent.name[:200]},
        "route": {
            "asked": agent.spec.model,
            "answered": report.model,
            "complexity": report.routed,
            "tried": [{"model": model, "failed": code} for model, code in report.tried],
        },
        "ended": report.ended,
        "documents": _documents(report),
        "labels": list(report.labels),
        "decisions": [
            *({"kind": "moderation", "allowed": False, "category": one} for one in report.withheld),
            *map(_of_label, report.decisions),
            *map(_of_limit, report.reserved),
        ],
        "warnings": list(report.warnings),
    }


def _documents(report: RunReport) -> list[JsonValue]:
    found: dict[str, JsonValue] = {}
    for citation in report.citations:
        if citation.document_id and citation.document_id not in found:
            found[citation.document_id] = {
                "id": citation.document_id,
                "collection": citation.collection_id,
                "name": citation.document_name[:200],
                "label": citation.label,
            }
    return list(found.values())[:_MOST_DOCUMENTS]


def _of_label(decision: Decision) -> JsonObject:
    return {
        "kind": "label",
        "point": decision.point,
        "label": decision.label,
        "what": decision.what[:200],
        "allowed": decision.allowed,
        "policy": None if decision.ban is None else WORDS[decision.ban],
    }


def _of_limit(part: Reserved) -> JsonObject:
    limit = part.limit
    return {
        "kind": "limit",
        "limit": limit.id,
        "name": words.name_of(limit),
        "hard": limit.hard,
        "reserved": _amount(limit.measure, part.amount),
        "settled": None if part.used is None else _amount(limit.measure, part.used),
        "allowed": True,
    }


def _amount(measure: str, amount: int) -> int | float:
    return amount / _MICRO if measure == "usd" else amount
