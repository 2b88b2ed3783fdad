"""The server's tools of one run, and which of them its model sees now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dragoman.domain.agents.moved import Overseer
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import ServerTool
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue
from dragoman.kit.suggest import did_you_mean

REASON, GOAL = "_tool_reason", "_tool_goal"
EXPLANATIONS: Mapping[str, JsonValue] = {
    REASON: {"type": "string", "description": "Why you call this tool now, in one short sentence."},
    GOAL: {"type": "string", "description": "What you want to learn or achieve by it."},
}


def _all(name: str) -> bool:
    return True


class Toolbox:
    """The server's tools of one run.

    Args:
        tools: by their specs' names.
        explain: whether the model is asked why it calls a tool; the tools never see these arguments.
        visible: whether the model may see and call the tool of that name now.
        overseer: holds the rules for those that are commands of the shell.
    """

    def __init__(
        self,
        tools: Sequence[ServerTool] = (),
        *,
        explain: bool = False,
        visible: Callable[[str], bool] = _all,
        overseer: Overseer | None = None,
    ) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._explain = explain
        self._visible = visible
        self.overseer = overseer or Overseer()

    def __bool__(self) -> bool:
        return bool(self._tools)

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    @property
    def tools(self) -> tuple[ServerTool, ...]:
        """All of them, visible or not."""
        return tuple(self._tools.values())

    def sees(self, name: str) -> bool:
        """Whether the model sees tools of that name now, the caller's as well."""
        return self._visible(name)

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the model sees now, as it sees them."""
        specs = (tool.spec for name, tool in self._tools.items() if self._visible(name))
        return tuple(_explained(spec) for spec in specs) if self._explain else tuple(specs)

    def find(self, name: str) -> ServerTool:
        """The tool that the model sees by that name.

        Raises:
            InvalidInput: there is none; the names near it are told.
        """
        tool = self._tools.get(name)
        if tool is not None and self._visible(name):
            return tool
        shown = [known for known in self._tools if self._visible(known)]
        raise InvalidInput(
            f"There is no tool {name!r} here{did_you_mean(name, shown) or '.'} "
            f"The tools are: {', '.join(shown) or 'none'}.",
            code="unknown_tool",
        )

    def check_apart_from(self, others: Sequence[ToolSpec]) -> None:
        """Refuses a caller's tool of the same name, or two of the caller's of one name.

        Raises:
            InvalidInput: names the tool.
        """
        names: set[str] = set()
        for other in others:
            if other.name in names:
                raise InvalidInput(
                    f"The tool name {other.name!r} is used twice, by two of the caller's tools.",
                    param="tools",
                    code="duplicate_tool",
                )
            names.add(other.name)
            if other.name in self._tools:
                raise InvalidInput(
                    f"The tool name {other.name!r} is used twice: by {self._tools[other.name].owner} and by one of "
                    "the caller's tools.",
                    param="tools",
                    code="duplicate_tool",
                )


def without_explanations(arguments: JsonObject) -> JsonObject:
    """The arguments that are the tool's own."""
    return {name: value for name, value in arguments.items() if name not in EXPLANATIONS}


def _explained(spec: ToolSpec) -> ToolSpec:
    schema = dict(spec.parameters or {"type": "object"})
    properties = schema.get("properties")
    schema["properties"] = {**(properties if isinstance(properties, Mapping) else {}), **EXPLANATIONS}
    return replace(spec, parameters=schema)
