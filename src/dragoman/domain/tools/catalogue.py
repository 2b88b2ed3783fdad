"""All the tools that the server can carry out, gathered from their sources for one run."""

import asyncio
from collections.abc import Sequence

from dragoman.domain.tools.model import ServerTool, ToolScope, ToolSource
from dragoman.kit.errors import InvalidInput


class ToolCatalogue:
    """The server's tools.

    Args:
        sources: asked at the same time; their order is the order of the tools.
    """

    def __init__(self, sources: Sequence[ToolSource] = ()) -> None:
        self._sources = tuple(sources)

    async def offered(self, scope: ToolScope) -> list[ServerTool]:
        """The tools that an agent has in this scope.

        Raises:
            InvalidInput: two tools of one name; both owners are named.
            DragomanError: the agent's settings cannot be carried out.
        """
        found = await asyncio.gather(*(source.tools(scope) for source in self._sources))
        tools = [tool for some in found for tool in some]
        check_apart(tools)
        return tools


def check_apart(tools: Sequence[ServerTool]) -> None:
    """Refuses two tools of one name.

    Raises:
        InvalidInput: names both owners.
    """
    owners: dict[str, str] = {}
    for tool in tools:
        name = tool.spec.name
        if name in owners:
            raise InvalidInput(
                f"The tool name {name!r} is used twice: by {owners[name]} and by {tool.owner}.",
                param="tools",
                code="duplicate_tool",
            )
        owners[name] = tool.owner
