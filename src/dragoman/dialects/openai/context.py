"""``generation_context``: what an answer cost, which tools ran for it, which documents it was given."""

from collections.abc import Sequence
from dataclasses import asdict

from dragoman.dialects.openai.words import CHARGES
from dragoman.domain.agents.run import RunReport
from dragoman.domain.inference.pricing import Charge
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import ToolRun

Json = dict[str, object]
_PREVIEW = 500


def generation_context(
    charges: Sequence[Charge],
    tool_runs: Sequence[ToolRun],
    citations: Sequence[Citation],
    *,
    report: RunReport | None = None,
) -> Json:
    """The object; tool runs are those that have ended. A ``report`` tells which run it was and how it came to its end."""
    told: Json = {
        "generated_usage": [_usage_line(charge) for charge in charges],
        "runned_functions": [_function(run) for run in tool_runs],
        "retrieved_documents": _documents(citations),
    }
    if report is not None:
        if report.left_out:
            told["unavailable_tools"] = [asdict(one) for one in report.left_out]
        told["run"] = {"id": report.run_id, "ended": report.ended}
    return told


def _usage_line(charge: Charge) -> Json:
    item, dot, kind = charge.item.partition(".")
    return {
        "sku": CHARGES.get(item, item) + dot + kind,
        "amount": charge.amount,
        "unit_price": charge.unit_price,
        "quantity": charge.quantity,
        "description": charge.description,
    }


def _function(run: ToolRun) -> Json:
    told: Json = {
        "id": run.id,
        "name": run.name,
        "arguments": run.arguments,
        "result_preview": run.result[:_PREVIEW],
        "duration_ms": run.duration_ms,
    }
    if run.state == "failed":
        told["error"] = run.result[:_PREVIEW]
    return told


def _documents(citations: Sequence[Citation]) -> list[Json]:
    """Each document once, with the score of its best passage."""
    best: dict[str, Json] = {}
    for citation in citations:
        known = best.get(citation.document_id)
        score = round(citation.score, 4)
        if known is None:
            best[citation.document_id] = {
                "document_id": citation.document_id,
                "collection_id": citation.collection_id,
                "name": citation.document_name,
                "reference": citation.reference,
                "score": score,
            }
        elif score > float(str(known["score"])):
            known["score"] = score
    return list(best.values())
