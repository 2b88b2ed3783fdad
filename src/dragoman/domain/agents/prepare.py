"""From an agent and a request to what its model is asked: media, moderation, routing, knowledge, tools."""

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.switches import Switches
from dragoman.domain.agents.approvals.service import Approvals
from dragoman.domain.agents.context import assemble
from dragoman.domain.agents.hooks import Workers
from dragoman.domain.agents.instructions import InstructionSources
from dragoman.domain.agents.ledger import Ledger
from dragoman.domain.agents.limits import RunLimits
from dragoman.domain.agents.lookup import Found, Lookup
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.offering import Offering, nothing_offered, tools_in_force
from dragoman.domain.agents.queries import REWRITE_SECONDS, last_user_text, search_terms
from dragoman.domain.agents.remembered import remembered
from dragoman.domain.agents.request import RunReport, RunRequest
from dragoman.domain.agents.sampling import merged
from dragoman.domain.agents.skillbook import SkillBook
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.agents.structured import response_format
from dragoman.domain.agents.toolbox import Toolbox
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.healing import Healer, StructuredOutput, instruction
from dragoman.domain.inference.moderation import ModerationScorer, over_threshold
from dragoman.domain.inference.multimodal import MediaReader
from dragoman.domain.inference.ports import ChatModel, ChatRequest, ToolChoice
from dragoman.domain.inference.pricing import PriceTable
from dragoman.domain.inference.routing import classify
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.labels.handling import Handling
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.memories.service import MemoriesService
from dragoman.domain.messages.parts import Message, TextPart, ToolSpec
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.catalogue import ToolCatalogue
from dragoman.domain.tools.spec import ApprovalRule
from dragoman.kit.errors import InvalidInput
from dragoman.kit.suggest import did_you_mean

_ROUTING_SECONDS = 10.0
_MEDIA_SECONDS = 60.0
_TOOL_QUESTION_SECONDS = 60.0

EndpointModels = Callable[[str, str, str | None, str], ChatModel]


@dataclass(frozen=True, slots=True)
class RunnerParts:
    """What runs use where an agent's settings ask for it; a part that is None is refused by name, or left out.

    ``vision_model`` names the model of the catalogue that describes pictures; empty = their text is read. ``approval_rules``
    hold for all agents beside their own.
    """

    prices: PriceTable = field(default_factory=PriceTable)
    lookup: Lookup | None = None
    collections: CollectionsService | None = None
    instructions: InstructionSources | None = None
    moderation: ModerationScorer | None = None
    media: MediaReader | None = None
    healer: Healer = field(default_factory=Healer)
    tools: ToolCatalogue = field(default_factory=ToolCatalogue)
    vision_model: str = ""
    database: Database | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    skills: SkillsService | None = None
    memories: MemoriesService | None = None
    workers: Workers | None = None
    approvals: Approvals | None = None
    approval_rules: tuple[ApprovalRule, ...] = ()
    traces: TraceLog | None = None
    labels: LabelsService | None = None
    switches: Switches | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the model is asked, without tools. ``searches``: it is to look into the agent's collections by itself."""

    model: ChatModel
    call: ChatRequest
    found: Found
    grounded: bool
    searches: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the model is asked. The call's tools are those of the caller; ``own_names`` are those of the request itself.

    ``structured``: the answer must be such JSON. ``takes_media``: the model can be shown pictures and sound.
    """

    spec: AgentSpec
    model: ChatModel
    call: ChatRequest
    toolbox: Toolbox
    skills: SkillBook
    own_names: frozenset[str]
    structured: StructuredOutput | None
    takes_media: bool

    @property
    def callers(self) -> tuple[ToolSpec, ...]:
        """The caller's tools that the model is offered now."""
        sees = self.toolbox.sees
        return tuple(tool for tool in self.call.tools if tool.name in self.own_names or sees(tool.name))

    @property
    def offered(self) -> tuple[ToolSpec, ...]:
        """All tools that the model is offered now."""
        return (*self.toolbox.specs(), *self.callers)


class Preparation:
    """Prepares runs.

    Args:
        lookup: searches collections.
        endpoints: models at addresses that agents name.
    """

    def __init__(
        self, catalogue: Catalogue, endpoints: EndpointModels, lookup: Lookup, parts: RunnerParts
    ) -> None:
        self._catalogue = catalogue
        self._endpoints = endpoints
        self._lookup = lookup
        self._parts = parts
        self._offering = Offering(parts.tools, lookup, parts.skills, parts.instructions)

    def model(self, agent: ResolvedAgent, *, grounded: bool = False) -> ChatModel:
        """The model that answers for the agent.

        Raises:
            NotFound: there is no such model.
        """
        spec = agent.spec
        if spec.endpoint is not None:
            return self._endpoints(spec.endpoint, spec.model, agent.endpoint_key, spec.model)
        return self._catalogue.for_grounded(spec.model) if grounded else self._catalogue.resolve(spec.model)

    async def media(self, agent: ResolvedAgent, request: RunRequest, ledger: Ledger) -> tuple[Message, ...]:
        """The conversation with media as text where that is asked for.

        Raises:
            InvalidInput: media that cannot become text, or that the model does not take.
        """
        spec, conversation = agent.spec, request.conversation
        kinds = spec.media_to_text if request.media_to_text is None else request.media_to_text
        has_media = any(not isinstance(part, TextPart) for turn in conversation for part in turn.parts)
        if kinds and has_media:
            if self._parts.media is None:
                raise InvalidInput("Media cannot be turned into text on this server.", param="messages")
            describe = None
            if self._parts.vision_model:
                vision = self._catalogue.resolve(self._parts.vision_model)
                describe = ledger.asker(vision, "media", deadline_seconds=_MEDIA_SECONDS)
            conversation = await self._parts.media.as_text(conversation, kinds, describe=describe)
        if "disable_multi_modal_input" in spec.flags:
            _refuse_media(conversation)
        return conversation

    async def withheld(self, spec: AgentSpec, conversation: tuple[Message, ...]) -> tuple[str, ...]:
        """The categories for which the conversation must not go on; none when it may.

        Raises:
            ProviderError: it could not be judged.
        """
        if spec.moderation is None:
            return ()
        if self._parts.moderation is None:
            raise InvalidInput("Moderation is not available on this server.", code="moderation_missing")
        texts = [turn.text for turn in conversation if turn.role == "user"]
        return await over_threshold(self._parts.moderation, texts, spec.moderation.model_dump())

    async def routed(
        self, agent: ResolvedAgent, conversation: tuple[Message, ...], ledger: Ledger, report: RunReport
    ) -> ResolvedAgent:
        """The agent with the model for the difficulty of its latest request."""
        routing = agent.spec.routing
        if routing is None:
            return agent
        cheapest = replace(agent, spec=agent.spec.model_copy(update={"model": routing.low.model}))
        ask = ledger.asker(self.model(cheapest), "routing", deadline_seconds=_ROUTING_SECONDS)
        report.routed = await classify(ask, last_user_text(conversation))
        chosen = {"low": routing.low, "medium": routing.medium, "high": routing.high}[report.routed]
        changes: dict[str, object] = {"model": chosen.model}
        if chosen.reasoning_effort is not None:
            changes["sampling"] = agent.spec.sampling.model_copy(
                update={"reasoning_effort": chosen.reasoning_effort}
            )
        return replace(agent, spec=agent.spec.model_copy(update=changes))

    async def asked(self, caller: Caller, agent: ResolvedAgent, request: RunRequest, ledger: Ledger) -> Asked:
        """What the model is asked, without tools. The request's conversation has its media as text already.

        Raises:
            NotFound: the agent's model does not exist.
            InvalidInput: more than the agent's context holds.
        """
        spec = agent.spec
        knowledge = spec.knowledge
        searches = bool(knowledge.collection_ids)
        own = self.model(agent)
        by_itself = (
            searches
            and not request.sources
            and knowledge.strategy == "query_function"
            and not own.profile.quotes_only
            and not self.model(agent, grounded=True).profile.quotes_only
        )
        found = Found()
        if searches and not by_itself:
            ask = None
            if not own.profile.quotes_only:
                ask = ledger.asker(own, "rewrite", deadline_seconds=REWRITE_SECONDS)
            terms = await search_terms(knowledge, request.conversation, ask)
            found = await self._lookup.find(caller, knowledge, terms, ledger=ledger)
        await ledger.handling.take(caller, [one.label for one in request.sources], "a passage")
        found = found.followed_by(request.sources)
        strict = searches and knowledge.grounding == "strict"
        grounded = not by_itself and (strict or bool(found.citations))
        model = self.model(agent, grounded=True) if grounded else own
        call = await self._call(caller, agent, request, found, ledger.handling, grounded=grounded)
        return Asked(model, call, found, grounded, by_itself)

    async def equipped(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, ledger: Ledger, asked: Asked
    ) -> Prepared:
        """What the model is asked, with the tools that it is offered.

        Raises:
            InvalidInput: two tools of one name, or a tool that must be called and is not there.
            DragomanError: the agent's settings cannot be carried out.
        """
        own, spec = self.model(agent), agent.spec
        if asked.model.profile.quotes_only:
            offered = nothing_offered(spec)
        else:
            offered = await self._offering.offered(
                caller,
                agent,
                request,
                ledger,
                ask=ledger.asker(own, "tools", deadline_seconds=_TOOL_QUESTION_SECONDS),
                searches=asked.searches,
            )
        profile = asked.model.profile
        prepared = Prepared(
            spec=spec,
            model=asked.model,
            call=replace(asked.call, tools=offered.callers),
            toolbox=offered.toolbox,
            skills=offered.skills,
            own_names=offered.own_names,
            structured=request.structured,
            takes_media=(profile.images or profile.outside) and "disable_multi_modal_input" not in spec.flags,
        )
        if not profile.quotes_only:
            _check_choice(prepared.call.tool_choice, {tool.name for tool in prepared.offered})
        elif (
            own.profile.quotes_only
            and not spec.skills.skills
            and not tools_in_force(spec.tools, request).any_tools
        ):
            # An agent that writes is quoted for as well where its passages answer: its tools are not needed then.
            _check_choice(prepared.call.tool_choice, {tool.name for tool in request.tools})
        return prepared

    async def _call(
        self,
        caller: Caller,
        agent: ResolvedAgent,
        request: RunRequest,
        found: Found,
        handling: Handling,
        *,
        grounded: bool,
    ) -> ChatRequest:
        spec = agent.spec
        native = response_format(spec, request)
        instructions = list(await self._instructions(spec))
        if (memories := await self._remembered(caller, agent, request, handling)) is not None:
            instructions.append(memories)
        if request.structured is not None and native is None:
            instructions.append(instruction(request.structured.schema))
        knowledge = spec.knowledge
        if not grounded and knowledge.collection_ids:
            # Nothing was looked up for the prompt, so it has no block of passages.
            spec = spec.model_copy(update={"knowledge": knowledge.model_copy(update={"collection_ids": ()})})
        own = spec.provider_settings if spec.endpoint is not None else {}
        return ChatRequest(
            messages=assemble(
                spec,
                request.conversation,
                found.citations,
                collection_contexts=await self._contexts(caller, knowledge.collection_ids),
                instructions=instructions,
                system_prompt=request.system_prompt,
            ),
            sampling=merged(spec.sampling, request.sampling),
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            response_format=native,
            citations=found.citations,
            grounded=grounded,
            user=request.user,
            extra={**own, **request.extra, **(request.provider_settings or {})},
        )

    async def _remembered(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, handling: Handling
    ) -> str | None:
        if self._parts.memories is None:
            return None
        tools = tools_in_force(agent.spec.tools, request)
        return await remembered(
            self._parts.memories, caller, tools, handling=handling, agent_id=agent.id, user=request.user
        )

    async def _instructions(self, spec: AgentSpec) -> tuple[str, ...]:
        if not spec.instruction_sources or self._parts.instructions is None:
            return ()
        return await self._parts.instructions.texts(spec.instruction_sources)

    async def _contexts(self, caller: Caller, collection_ids: tuple[str, ...]) -> list[str]:
        if self._parts.collections is None or not collection_ids:
            return []
        found = await self._parts.collections.among(caller, collection_ids)
        return [collection.context for collection in found if collection.context]


def _check_choice(choice: ToolChoice | None, names: Set[str]) -> None:
    """Refuses that a tool must be called which is none of these."""
    if choice is None or choice.mode not in ("required", "function"):
        return
    if choice.mode == "required" and not names:
        raise InvalidInput("tool_choice asks for a call, but no tool is offered.", param="tool_choice")
    if choice.mode == "function" and choice.function not in names:
        raise InvalidInput(
            f"tool_choice names {choice.function!r}, which is not among the tools that are offered"
            f"{did_you_mean(choice.function or '', sorted(names)) or '.'}",
            param="tool_choice",
        )


def _refuse_media(conversation: tuple[Message, ...]) -> None:
    for number, turn in enumerate(conversation):
        for place, part in enumerate(turn.parts):
            if not isinstance(part, TextPart):
                raise InvalidInput(
                    "This agent's model takes text only; have the media turned into text first.",
                    param=f"messages[{number}].content[{place}]",
                    code="multimodal_disabled",
                )
