"""Running an agent: context, then the model, then events. The one way an answer is made in every dialect."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.context import assemble
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.queries import search_terms
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec, SamplingSpec
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest, Sampling, ToolChoice
from dragoman.domain.knowledge.retrieve import Retrieval, RetrievalQuery, Retriever
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, Event, Finished, TextDelta, ToolCallDelta, Usage
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_DEADLINE_SECONDS = 600.0
_CLIENT_GONE = 499

EndpointModels = Callable[[str, str, str | None, str], ChatModel]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One turn asked of an agent. What is given here goes before the agent's own settings.

    ``collection_ids`` replaces what the agent may look up; ``citations`` are further references (from the web, from files)
    that stand before the retrieved ones.
    """

    conversation: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    system_prompt: str | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])
    user: str | None = None
    dialect: str = "native"
    application: str | None = None


@dataclass(slots=True)
class RunReport:
    """What a run found out on its way, filled while its events are read."""

    embedding_down: bool = False
    vectors_down: bool = False
    citations: tuple[Citation, ...] = ()
    model: str | None = None


class AgentRunner:
    """Finds agents by name and runs them."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        agents: AgentsService,
        retriever: Retriever,
        endpoints: EndpointModels,
        meter: Meter,
    ) -> None:
        self._catalogue = catalogue
        self._agents = agents
        self._retriever = retriever
        self._endpoints = endpoints
        self._meter = meter

    async def resolve(self, caller: Caller, name: str) -> ResolvedAgent:
        """The caller's agent of that id, slug or name, else the catalogue's model of that name.

        Raises:
            NotFound: neither; ``code`` is ``model_not_found``.
        """
        agent = await self._agents.find(caller, name)
        if agent is not None:
            return agent
        self._catalogue.resolve(name)
        return ResolvedAgent(None, name, AgentSpec(model=name))

    async def run(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, report: RunReport | None = None
    ) -> AsyncGenerator[Event]:
        """The answer as events; closing the iterator early stops the provider and meters what was produced.

        Raises:
            InvalidInput: nothing to answer, or more than the agent's context holds.
            NotFound: the agent's model or one of its collections does not exist.
            ProviderError: the provider failed.
        """
        report = report if report is not None else RunReport()
        if not request.conversation:
            raise InvalidInput("There is no message to answer.", param="messages")
        retrieval = await self._retrieve(caller, agent, request)
        report.embedding_down, report.vectors_down = retrieval.embedding_down, retrieval.vectors_down
        citations = report.citations = retrieval.citations()
        knowledge = agent.spec.knowledge
        grounded = bool(knowledge.collection_ids) and (knowledge.grounding == "strict" or bool(citations))
        model = self._model(agent, grounded=grounded)
        report.model = model.name
        call = _chat_request(agent.spec, request, citations, grounded=grounded)
        if grounded:
            yield CitationsFound(citations)
        async with aclosing(self._metered(caller, agent, model, call, request)) as events:
            async for event in events:
                yield event

    def _model(self, agent: ResolvedAgent, *, grounded: bool) -> ChatModel:
        spec = agent.spec
        if spec.endpoint is not None:
            return self._endpoints(spec.endpoint, spec.model, agent.endpoint_key, agent.name)
        return self._catalogue.for_grounded(spec.model) if grounded else self._catalogue.resolve(spec.model)

    async def _retrieve(self, caller: Caller, agent: ResolvedAgent, request: RunRequest) -> Retrieval:
        knowledge = agent.spec.knowledge
        if not knowledge.collection_ids:
            return Retrieval(())
        resolver = self._model(agent, grounded=False)
        terms = await search_terms(knowledge, request.conversation, resolver)
        return await self._retriever.retrieve(
            caller,
            RetrievalQuery(
                terms=terms,
                collection_ids=knowledge.collection_ids,
                limit=knowledge.maximum_results,
                minimum_similarity=knowledge.minimum_score,
                rerank=knowledge.rerank,
            ),
        )

    async def _metered(
        self, caller: Caller, agent: ResolvedAgent, model: ChatModel, call: ChatRequest, request: RunRequest
    ) -> AsyncGenerator[Event]:
        context = UsageContext(
            caller=caller,
            agent_id=agent.id,
            dialect=request.dialect,
            application=request.application,
            end_user=request.user,
            kind="chat",
            started_at=now_ms(),
        )
        written: list[str] = []
        settled = False
        try:
            async with aclosing(complete(model, call, deadline_seconds=_DEADLINE_SECONDS)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        written.append(event.text)
                    elif isinstance(event, ToolCallDelta):
                        written.append(event.arguments)
                    elif isinstance(event, Finished):
                        settled = True
                        self._meter.record(context, model=event.model, usage=event.usage, status=200)
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if not settled:
                self._meter.record(
                    context, model=model.name, usage=_produced(call, written), status=_CLIENT_GONE
                )
            raise
        except DragomanError as error:
            usage = _produced(call, written) if written else Usage(estimated=True)
            self._meter.record(context, model=model.name, usage=usage, status=error.status)
            raise


def _produced(call: ChatRequest, written: list[str]) -> Usage:
    """An estimate for an answer that no provider got to count: a client that hung up is charged for what was produced."""
    prompt = sum(len(message.text) for message in call.messages)
    return Usage(
        prompt_tokens=-(-prompt // 4), completion_tokens=-(-sum(map(len, written)) // 4), estimated=True
    )


def _merged(agent: SamplingSpec, asked: Sampling) -> Sampling:
    """The caller's settings where given, else the agent's."""
    mine = Sampling(
        temperature=agent.temperature,
        top_p=agent.top_p,
        presence_penalty=agent.presence_penalty,
        frequency_penalty=agent.frequency_penalty,
        stop=agent.stop,
        max_tokens=agent.max_tokens,
        reasoning_effort=agent.reasoning_effort,
        verbosity=agent.verbosity,
    )
    given = {name: value for name in Sampling.__slots__ if (value := getattr(asked, name)) not in (None, ())}
    return replace(mine, **given)


def _chat_request(
    spec: AgentSpec, request: RunRequest, citations: tuple[Citation, ...], *, grounded: bool
) -> ChatRequest:
    return ChatRequest(
        messages=assemble(spec, request.conversation, citations, system_prompt=request.system_prompt),
        sampling=_merged(spec.sampling, request.sampling),
        tools=request.tools,
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        response_format=request.response_format,
        citations=citations,
        grounded=grounded,
        user=request.user,
        extra={**spec.provider_settings, **request.extra} if spec.endpoint is not None else request.extra,
    )
