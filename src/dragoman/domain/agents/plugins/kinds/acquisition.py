"""Clauses of acquisition rules in plain words."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import plugin
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.messages.events import CitationsFound

_EXPLAIN = (
    "You explain clauses of the Federal Acquisition Regulation (FAR) and its supplements to people who "
    "work on contracts. Say what the clause "
    "requires, of whom, when it applies, and what to watch for. Where you do not know the clause's "
    "wording, say so and name where to look it up "
    "(acquisition.gov); never invent a clause or its text."
)
_SIMILARITY = 0.4
_PASSAGES = 6


@plugin(
    PluginSpec(
        "far_clause_explainer",
        "FAR Clause Explainer",
        "Acquisition",
        "Explains a FAR or DFARS clause, from your datasets where they hold it.",
        (PluginField("clause", "The clause's number, or its text.", "textarea", required=True),),
    )
)
async def far_clause_explainer(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """What the clause says and asks for."""
    run.writer.require_writing()
    clause = run.text("clause")[: run.writer.piece_characters]
    visible = await run.parts.collections.visible(run.caller)
    knowledge = KnowledgeSpec(
        collection_ids=tuple(collection.id for collection in visible),
        maximum_results=_PASSAGES,
        minimum_score=_SIMILARITY,
        grounding="open",
    )
    yield Progress("Looking the clause up in your datasets.")
    asked = f"{marked('clause', clause)}\n\nExplain this clause."
    found = 0
    async with aclosing(run.writer.stream(_EXPLAIN, asked, knowledge=knowledge)) as answer:
        async for event in answer:
            if isinstance(event, CitationsFound):
                found = len(event.citations)
            yield event
    yield Added({"passages": found})
