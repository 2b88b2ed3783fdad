"""One answer: from a prepared question to events, and from these to the kept answer object."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from dragoman.dialects.asksage.encode import answer_object
from dragoman.dialects.asksage.metering import record
from dragoman.dialects.asksage.operation import Call
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest, ModelProfile
from dragoman.domain.knowledge.retrieve import Retrieval, RetrievalQuery
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, Event, Finished, ToolRun
from dragoman.domain.messages.fold import Answer
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.domain.usage.answers.service import KeptAnswer
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound

DEFAULT_MODEL = "openai_gpt"
_QUOTING_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    """A question ready to be answered.

    ``quoted``: passages of files for a model that only quotes; None = the agent answers by itself.
    ``executed``: calls of tools that were carried out before the model was asked.
    ``forced``: a call that the answer is to hold just so.
    """

    call: Call
    agent: ResolvedAgent
    request: RunRequest
    asked: str
    with_usage: bool = False
    quoted: tuple[Citation, ...] | None = None
    added: dict[str, object] = field(default_factory=dict[str, object])
    executed: tuple[ToolRun, ...] = ()
    forced: ToolCall | None = None
    report: RunReport = field(default_factory=RunReport)

    async def events(self) -> AsyncGenerator[Event]:
        """The answer as events; closing early stops the provider."""
        events = (
            self.call.services.runner.run(self.call.caller, self.agent, self.request, self.report)
            if self.quoted is None
            else self._quotes(self.quoted)
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def _quotes(self, passages: tuple[Citation, ...]) -> AsyncGenerator[Event]:
        found = await self._retrieved()
        self.report.embedding_down, self.report.vectors_down = found.embedding_down, found.vectors_down
        together = (*passages, *found.citations(), *self.request.sources)
        citations = tuple(replace(citation, number=place) for place, citation in enumerate(together, 1))
        yield CitationsFound(citations)
        request = ChatRequest(
            messages=self.request.conversation,
            sampling=self.request.sampling,
            citations=citations,
            grounded=True,
        )
        model = answering_model(self.call, self.agent)
        assert model is not None
        async with aclosing(complete(model, request, deadline_seconds=_QUOTING_SECONDS)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    await record(self.call, "chat", event.model, event.usage)
                yield event

    async def _retrieved(self) -> Retrieval:
        knowledge = self.agent.spec.knowledge
        if not knowledge.collection_ids:
            return Retrieval(())
        query = RetrievalQuery(
            terms=(self.asked,),
            collection_ids=knowledge.collection_ids,
            limit=knowledge.maximum_results,
            minimum_similarity=knowledge.minimum_score,
            rerank=knowledge.rerank,
        )
        return await self.call.services.retriever.retrieve(self.call.caller, query)

    async def finished(self, answer: Answer) -> dict[str, object]:
        """The answer object; the answer is in the caller's log, safe from a crash, before this returns."""
        answer_id = str(uuid.uuid4())
        await self.call.services.labels.answered(self.call.caller, self.asked, answer.text)
        answer = replace(answer, tool_runs=(*self.executed, *answer.tool_runs))
        if self.forced is not None:
            answer = replace(answer, tool_calls=_with_forced(answer.tool_calls, self.forced))
        await self.call.services.answers.keep(
            self.call.caller,
            KeptAnswer(
                id=answer_id,
                at=now_ms(),
                dialect="asksage",
                model=answer.model,
                prompt=self.asked,
                completion=answer.text,
                prompt_tokens=answer.usage.prompt_tokens,
                completion_tokens=answer.usage.completion_tokens,
                address=self.call.address,
            ),
        )
        return answer_object(
            answer, self.report, uuid=answer_id, with_usage=self.with_usage, added=self.added or None
        )


def _with_forced(calls: tuple[ToolCall, ...], forced: ToolCall) -> tuple[ToolCall, ...]:
    """The model's call of that function with the arguments that the caller gave; one of its own where there is none."""
    for call in calls:
        if call.name == forced.name:
            return (replace(call, arguments=forced.arguments),)
    return (replace(forced, id=f"call_{uuid.uuid4().hex}"),)


async def agent_named(call: Call, name: str) -> ResolvedAgent:
    """The caller's gateway, or the model of that name.

    Raises:
        InvalidInput: neither; the message lists the models.
    """
    try:
        return await call.services.runner.resolve(call.caller, name)
    except NotFound as error:
        raise InvalidInput(error.detail, param="model") from error


def answering_model(call: Call, agent: ResolvedAgent, *, grounded: bool = True) -> ChatModel | None:
    """The catalogue's model that answers for the agent; None when it is at an address of the agent's own.

    Raises:
        InvalidInput: the agent names a model that is not there.
    """
    if agent.spec.endpoint is not None:
        return None
    catalogue = call.services.catalogue
    try:
        return catalogue.for_grounded(agent.spec.model) if grounded else catalogue.resolve(agent.spec.model)
    except NotFound as error:
        raise InvalidInput(error.detail, param="model") from error


def profile_of(model: ChatModel | None) -> ModelProfile:
    """The model's facts; the usual ones for a model at an address of the agent's own."""
    return ModelProfile() if model is None else model.profile


def last_question(turns: tuple[Message, ...]) -> str:
    """The last thing the person said."""
    return next((turn.text for turn in reversed(turns) if turn.role == "user" and turn.text.strip()), "")
