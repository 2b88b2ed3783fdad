"""The answer of a research as it is kept among its updates, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from dragoman.domain.agents.deep.model import DeepAnswer, DeepProgress
from dragoman.domain.messages.citations import Citation
from dragoman.kit.jsontypes import JsonObject, JsonValue


def answer_payload(answer_id: str, answer: DeepAnswer, progress: DeepProgress) -> JsonObject:
    """The update that ends a question."""
    return {
        "id": answer_id,
        "text": answer.text,
        "notice": answer.notice,
        "model": progress.model,
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.completion_tokens,
        "web_problem": progress.web_problem,
        "citations": [cast("JsonObject", asdict(citation)) for citation in answer.citations],
    }


def citations_of(payload: JsonObject) -> tuple[Citation, ...]:
    """The references of such an update."""
    listed = payload.get("citations")
    if not isinstance(listed, list):
        return ()
    return tuple(_citation(cast("Mapping[str, JsonValue]", one)) for one in listed)


def _citation(values: Mapping[str, JsonValue]) -> Citation:
    known = cast("dict[str, object]", dict(values))
    known["heading_path"] = tuple(cast("list[str]", known.get("heading_path") or []))
    return Citation(**known)  # pyright: ignore[reportArgumentType]
