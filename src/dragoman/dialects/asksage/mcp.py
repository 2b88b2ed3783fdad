"""MCP tools in a query: which of the user's servers the model may use, and calls that the user has approved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
import structlog

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import Call
from dragoman.domain.agents.calls import Done
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.outcome import turns_of
from dragoman.domain.messages.events import ToolRun
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.domain.tools.model import ServerTool, ToolResult, ToolScope
from dragoman.domain.tools.spec import ToolsSpec
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

ENABLED, EXECUTED = "enabled_mcp_tools", "tools_to_execute"
FIELDS = (Field(ENABLED, "list"), Field(EXECUTED, "list"))
_MOST_NAMES, _MOST_CALLS = 200, 20


@dataclass(frozen=True, slots=True)
class ApprovedCall:
    """A call that the user has approved."""

    id: str
    name: str
    arguments: JsonObject


def with_enabled(call: Call, agent: ResolvedAgent) -> ResolvedAgent:
    """The agent with the tools that the call enables.

    Raises:
        InvalidInput: an entry names no tool.
    """
    enabled = call.inputs.list(ENABLED)
    if not enabled:
        return agent
    if len(enabled) > _MOST_NAMES:
        raise InvalidInput(f"'{ENABLED}' has at most {_MOST_NAMES} entries.", param=ENABLED)
    names = tuple(dict.fromkeys(_name(item, f"{ENABLED}[{place}]") for place, item in enumerate(enabled)))
    tools = agent.spec.tools.model_copy(update={"registered": names})
    return replace(agent, spec=agent.spec.model_copy(update={"tools": tools}))


async def executed(call: Call, *, media: bool) -> tuple[tuple[Message, ...], tuple[ToolRun, ...]]:
    """What became of the approved calls: as turns for the model, and as they are told to the client.

    Args:
        media: whether the model takes pictures.

    Raises:
        InvalidInput: an entry is no call, or names no tool of the user's servers.
    """
    wanted = call.inputs.list(EXECUTED)
    if not wanted:
        return (), ()
    if len(wanted) > _MOST_CALLS:
        raise InvalidInput(f"'{EXECUTED}' has at most {_MOST_CALLS} entries.", param=EXECUTED)
    approved = [_approved(item, place) for place, item in enumerate(wanted)]
    tools = await _tools(call, approved)
    runs: list[ToolRun] = []
    done: list[Done] = []
    for place, one in enumerate(approved):
        run, result = await _run(tools[one.name], one)
        runs.append(run)
        done.append(Done(place, ToolCall(run.id, run.name, run.arguments), result))
    asked = Message("assistant", (), tool_calls=tuple(one.call for one in done))
    return (asked, *turns_of(done, media=media)), tuple(runs)


async def _tools(call: Call, approved: Sequence[ApprovedCall]) -> dict[str, ServerTool]:
    """The tool for each name that was approved."""
    found: dict[str, ServerTool] = {}
    for name in dict.fromkeys(one.name for one in approved):
        scope = ToolScope(
            caller=call.caller,
            agent_id=None,
            agent_name="",
            tools=ToolsSpec(registered=(name,)),
            charge=_uncharged,
        )
        try:
            tools = await call.services.registered_tools.tools(scope)
        except InvalidInput as error:
            raise InvalidInput(f"'{EXECUTED}': {error.detail}", param=EXECUTED, code=error.code) from error
        if not tools:
            raise NotFound(
                f"'{EXECUTED}': the MCP server with the tool {name!r} does not answer now.", param=EXECUTED
            )
        if len(tools) > 1:
            owners = " and ".join(tool.owner for tool in tools)
            raise InvalidInput(
                f"'{EXECUTED}': {name!r} is a tool of {owners}; name it as SERVER/TOOL.", param=EXECUTED
            )
        found[name] = tools[0]
    return found


async def _run(tool: ServerTool, approved: ApprovedCall) -> tuple[ToolRun, ToolResult]:
    begun = ToolRun(approved.id, tool.spec.name, orjson.dumps(approved.arguments).decode(), "created")
    try:
        result = await tool.call(approved.arguments)
    except DragomanError as error:
        log.info("tool.failed", tool=tool.spec.name, code=error.code)
        result = ToolResult(f"Error: {error.detail}")
        return replace(begun, state="failed", result=result.text), result
    return replace(begun, state="completed", result=result.text), result


def _uncharged(item: str, quantity: int, description: str) -> None:
    """Tools of a user's own servers cost nothing here."""


def _name(item: object, where: str) -> str:
    if isinstance(item, Mapping):
        function = item.get("function")
        item = (
            function.get("name") if isinstance(function, Mapping) else item.get("name", item.get("tool_name"))
        )
    if not isinstance(item, str) or not item.strip():
        raise InvalidInput(f"'{where}' must name a tool.", param=where)
    return item.strip()


def _approved(item: object, place: int) -> ApprovedCall:
    where = f"{EXECUTED}[{place}]"
    name = _name(item, where)
    call_id, arguments = f"call_{place + 1}", {}
    if isinstance(item, Mapping):
        function = item.get("function")
        holder = function if isinstance(function, Mapping) else item
        arguments = holder.get("arguments", holder.get("input", holder.get("parameters"))) or {}
        call_id = str(item.get("id") or call_id)
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(
                f"'{where}.arguments' is not valid JSON: {error}.", param=f"{where}.arguments"
            ) from error
    if not isinstance(arguments, Mapping):
        raise InvalidInput(f"'{where}.arguments' must be an object.", param=f"{where}.arguments")
    return ApprovedCall(call_id, name, arguments)
