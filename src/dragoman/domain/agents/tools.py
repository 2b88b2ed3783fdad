"""The tools that a caller carries out: those of the request, else those of the agent."""

from collections.abc import Mapping

from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.messages.parts import ToolSpec
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue


def client_tools(spec: AgentSpec, request: RunRequest) -> tuple[ToolSpec, ...]:
    """The caller's tools; what the request brings replaces the agent's.

    Raises:
        InvalidInput: one of the agent's is no tool.
    """
    if request.tools:
        return request.tools
    return tuple(_tool(tool, position) for position, tool in enumerate(spec.tools.client))


def _tool(tool: JsonValue, position: int) -> ToolSpec:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
        raise InvalidInput(
            f"The agent's tool {position + 1} is no function with a name.", code="invalid_tool", param="tools"
        )
    description, parameters, strict = (
        function.get("description"),
        function.get("parameters"),
        function.get("strict"),
    )
    return ToolSpec(
        name,
        description if isinstance(description, str) else None,
        parameters if isinstance(parameters, Mapping) else None,
        strict if isinstance(strict, bool) else None,
    )
