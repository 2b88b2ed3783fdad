"""The tools of one run: those of the server from all their sources, the caller's, and the skills that open them."""

from dataclasses import dataclass

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.instructions import InstructionSources
from dragoman.domain.agents.ledger import Ledger
from dragoman.domain.agents.lookup import CollectionTool, Lookup, SearchTool
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.moved import MovedTool, Overseer
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.skillbook import ReadSkill, SkillBook
from dragoman.domain.agents.spec import AgentSpec, KnowledgeSpec
from dragoman.domain.agents.toolbox import Toolbox
from dragoman.domain.agents.tools import client_tools
from dragoman.domain.inference.asking import Ask
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.catalogue import ToolCatalogue, check_apart
from dragoman.domain.tools.model import ServerTool, ToolScope
from dragoman.domain.tools.moving import move_into_shell
from dragoman.domain.tools.spec import CallbackTool, ToolsSpec

_MINIMUM_SCORE = 0.2
_MAXIMUM = 5


@dataclass(frozen=True, slots=True)
class Offered:
    """The server's tools, the caller's, and the skills. ``own_names``: tools of the request itself, which nothing hides."""

    toolbox: Toolbox
    callers: tuple[ToolSpec, ...]
    skills: SkillBook
    own_names: frozenset[str]


class Offering:
    """Gathers the tools of runs.

    Args:
        skills: None where agents have none.
    """

    def __init__(
        self,
        tools: ToolCatalogue,
        lookup: Lookup,
        skills: SkillsService | None,
        instructions: InstructionSources | None,
    ) -> None:
        self._tools = tools
        self._lookup = lookup
        self._skills = skills
        self._instructions = instructions

    async def offered(
        self,
        caller: Caller,
        agent: ResolvedAgent,
        request: RunRequest,
        ledger: Ledger,
        *,
        ask: Ask | None,
        searches: bool,
    ) -> Offered:
        """The tools for one run.

        Args:
            caller: who runs it.
            agent: whose settings hold.
            request: what it brings along.
            ledger: what uses are noted in.
            ask: puts a question to the agent's own model.
            searches: whether the model searches the agent's collections by itself.

        Raises:
            InvalidInput: two tools of one name; both owners are named.
            DragomanError: the agent's settings cannot be carried out.
        """
        spec = agent.spec
        settings = tools_in_force(spec.tools, request)
        scope = _scope(caller, agent, request, ledger, settings, ask)
        book = await self._book(caller, spec)
        found: dict[str, Citation] = {}
        tools: list[ServerTool] = [ReadSkill(book)] if book else []
        if searches:
            tools.append(SearchTool(self._lookup, caller, spec.knowledge, ledger, found))
        tools += [
            CollectionTool(one, SearchTool(self._lookup, caller, knowledge, ledger, found))
            for one in settings.callbacks
            if (knowledge := _collection_of(one)) is not None
        ]
        tools += await self._tools.offered(scope)
        check_apart(tools)
        explain = spec.tools.explain if request.explain_tools is None else request.explain_tools
        callers, overseer = client_tools(spec, request), Overseer()
        tools = move_into_shell(
            tools,
            settings.shell_options,
            [tool.name for tool in callers],
            wrapped=lambda tool: MovedTool(tool, overseer),
        )
        toolbox = Toolbox(tools, explain=explain, visible=book.sees, overseer=overseer)
        toolbox.check_apart_from(callers)
        return Offered(toolbox, callers, book, frozenset(tool.name for tool in request.tools))

    async def _book(self, caller: Caller, spec: AgentSpec) -> SkillBook:
        wanted = spec.skills.skills
        if not wanted or self._skills is None:
            return SkillBook((), spec.skills, None)
        found = await self._skills.named(caller, wanted)
        places = {name: place for place, name in enumerate(wanted)}
        found.sort(
            key=lambda one: min(places.get(one.id, len(places)), places.get(one.draft.slug, len(places)))
        )
        return SkillBook(found, spec.skills, self._instructions)


def tools_in_force(tools: ToolsSpec, request: RunRequest) -> ToolsSpec:
    """The agent's settings with those of the request over them."""
    changes: dict[str, object] = {}
    if request.builtin_tools is not None:
        changes["builtin"] = request.builtin_tools
    if request.builtin_options is not None:
        changes["builtin_options"] = request.builtin_options
    return tools.model_copy(update=changes) if changes else tools


def nothing_offered(spec: AgentSpec) -> Offered:
    """For models that use no tools."""
    return Offered(Toolbox(), (), SkillBook((), spec.skills, None), frozenset())


def _collection_of(tool: CallbackTool) -> KnowledgeSpec | None:
    search = tool.search
    if search is None:
        return None
    return KnowledgeSpec(
        collection_ids=(search.collection_id,),
        maximum_results=search.maximum or _MAXIMUM,
        minimum_score=_MINIMUM_SCORE if search.minimum_score is None else search.minimum_score,
        use_references=search.references,
    )


def _scope(
    caller: Caller,
    agent: ResolvedAgent,
    request: RunRequest,
    ledger: Ledger,
    settings: ToolsSpec,
    ask: Ask | None,
) -> ToolScope:
    called = tuple(tool for tool in settings.callbacks if tool.search is None)
    return ToolScope(
        caller=caller,
        agent_id=agent.id,
        agent_name=agent.name,
        tools=replace_callbacks(settings, called),
        charge=ledger.used,
        left_out=ledger.report.leave_out,
        handling=ledger.handling,
        ask=ask,
        person=request.user,
        origin=request.origin,
        conversation_id=request.conversation_id,
        metadata=request.metadata,
    )


def replace_callbacks(settings: ToolsSpec, callbacks: tuple[CallbackTool, ...]) -> ToolsSpec:
    """The settings with these callbacks only."""
    return settings.model_copy(update={"callbacks": callbacks})
