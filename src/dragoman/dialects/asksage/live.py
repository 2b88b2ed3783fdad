"""What the web says to a question: search results as references, the first pages summarised."""

import asyncio
from dataclasses import replace
from typing import cast

import structlog

from dragoman.dialects.asksage.answering import answering_model, profile_of
from dragoman.dialects.asksage.metering import record
from dragoman.dialects.asksage.operation import Call
from dragoman.dialects.asksage.web_references import SUMMARY, web_citation
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.inference.asking import Ask
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.fold import Answer, fold_stream
from dragoman.domain.tools.ports import SearchQuery
from dragoman.kit.errors import DragomanError
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

_RESULTS = 10
_READ = 2
_SECONDS = 60.0
_SUMMARY_SECONDS = 40.0
_LONGEST_TERMS = 400
_LONGEST_EXCERPT = 1200


async def live(
    call: Call, agent: ResolvedAgent, asked: str
) -> tuple[tuple[Citation, ...], dict[str, object] | None]:
    """Search results as references, and what to tell about them; without a search nothing but the reason.

    The web never fails an answer: what cannot be had is left out.
    """
    level = call.inputs.integer("live") or 0
    if not level:
        return (), None
    if call.inputs.integer("limit_references") == 0:
        return (), {"enabled": False, "reason": "limit_references is 0, which switches live off"}
    terms = " ".join(asked.split())[:_LONGEST_TERMS]
    if not terms:
        return (), {"enabled": False, "reason": "there is nothing to search the web for"}
    web = call.services.web
    try:
        hits = await web.search(SearchQuery(terms, _RESULTS))
    except DragomanError as error:
        return (), {"enabled": False, "reason": error.detail}
    citations = [web_citation(number, hit) for number, hit in enumerate(hits, 1)]
    if level > 1:
        read = await _summarised(call, agent, asked, citations[:_READ])
        citations[:_READ] = read
    return tuple(citations), {"enabled": True, "results": len(citations)}


async def _summarised(
    call: Call, agent: ResolvedAgent, asked: str, citations: list[Citation]
) -> list[Citation]:
    """The references with what their pages say; one whose page cannot be had stays as it is."""
    model = answering_model(call, agent)
    ask = None if model is None or profile_of(model).quotes_only else _asker(call, model)

    async def one(citation: Citation) -> Citation:
        try:
            async with asyncio.timeout(_SECONDS):
                text = await _page(call, citation.document_id, asked, ask)
        except (DragomanError, TimeoutError) as error:
            log.info("asksage.live_page_left_out", reason=str(error) or type(error).__name__)
            return citation
        if not text:
            return citation
        together = f"{citation.text}\n{text}"
        told = cast("JsonObject", {**citation.metadata, SUMMARY: text})
        return replace(citation, text=together, char_end=len(together), metadata=told)

    return list(await asyncio.gather(*(one(citation) for citation in citations)))


async def _page(call: Call, url: str, asked: str, ask: Ask | None) -> str:
    web = call.services.web
    page = await web.pages.read(url)
    if not page.text or ask is None:
        return page.text[:_LONGEST_EXCERPT]
    return await web.summary(page, asked, ask)


def _asker(call: Call, model: ChatModel) -> Ask:
    async def ask(request: ChatRequest) -> Answer:
        answer = await fold_stream(complete(model, request, deadline_seconds=_SUMMARY_SECONDS))
        await record(call, "chat", answer.model, answer.usage)
        return answer

    return ask
