"""The answer object and its parts."""

from dataclasses import asdict

import orjson

from dragoman.dialects.asksage.web_references import web_reference
from dragoman.domain.agents.run import RunReport
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import ToolRun
from dragoman.domain.messages.fold import Answer
from dragoman.domain.messages.stored import write_parts


def references(citations: tuple[Citation, ...]) -> str:
    """One line a reference, numbered as the marks in the answer, in rank order."""
    return "\n".join(_reference(citation) for citation in citations)


def _reference(citation: Citation) -> str:
    if (text := web_reference(citation)) is not None:
        return f"[{citation.number}] {text}"
    metadata: dict[str, object] = dict(citation.metadata)
    if citation.context:
        metadata["context"] = citation.context
    elif "filename" not in metadata:
        metadata["filename"] = citation.document_name
    if citation.page is not None:
        metadata["page_number"] = citation.page
    flat = " ".join(citation.text.split())
    return f"[{citation.number}] {flat} - Metadata: {orjson.dumps(metadata).decode()}"


def _tool_response(run: ToolRun) -> dict[str, object]:
    return {
        "id": run.id,
        "name": run.name,
        "arguments": run.arguments,
        "state": run.state,
        "result": run.result,
    }


def answer_object(
    answer: Answer, report: RunReport, *, uuid: str, with_usage: bool, added: dict[str, object] | None
) -> dict[str, object]:
    """The answer in this dialect's form, without ``status``."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.tool_calls
    ]
    made = write_parts(answer.attachments)
    if report.left_out:
        added = {**(added or {}), "unavailable_tools": [asdict(one) for one in report.left_out]}
    usage = answer.usage
    counts = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    return {
        "response": "OK",
        "message": answer.text,
        "uuid": uuid,
        "references": references(answer.citations),
        "embedding_down": report.embedding_down,
        "vectors_down": report.vectors_down,
        "type": "text",
        "added_obj": added,
        "tool_calls": calls or None,
        "tool_calls_unified": calls or None,
        "tool_responses": [_tool_response(run) for run in answer.tool_runs],
        "usage": {"model_tokens": counts, "asksage_tokens": usage.total_tokens, **counts}
        if with_usage
        else None,
        "teach": False,
        **({"attachments": made} if made else {}),
    }
