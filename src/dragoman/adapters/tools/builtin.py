"""The platform's own functions, by the names an agent's settings know them by."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from dragoman.domain.tools.model import ServerTool, ToolScope

# Makes a function's tool for the scope of one run.
Maker: TypeAlias = Callable[[ToolScope], ServerTool]


class BuiltinTools:
    """Gives an agent those of the functions that its settings name.

    Args:
        makers: by name; names that are not here belong to somebody else.
    """

    def __init__(self, makers: Mapping[str, Maker]) -> None:
        self._makers = dict(makers)

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The tools, in the order of the settings."""
        names = dict.fromkeys(scope.tools.builtin or ())
        return [self._makers[name](scope) for name in names if name in self._makers]
