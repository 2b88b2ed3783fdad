"""Moving tools into the shell, where a model calls them as commands."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

from dragoman.domain.tools.model import ServerTool
from dragoman.domain.tools.spec import ShellOptions
from dragoman.kit.errors import InvalidInput

RESERVED = frozenset({"shell", "run_python", "read_skill"})


@runtime_checkable
class HoldsTools(Protocol):
    """A tool that can offer others as commands of its own."""

    def holding(self, tools: Sequence[ServerTool]) -> ServerTool:
        """The same tool with these as its commands."""
        ...


def move_into_shell(
    tools: Sequence[ServerTool],
    options: ShellOptions | None,
    client_names: Collection[str] = (),
    *,
    wrapped: Callable[[ServerTool], ServerTool] = lambda tool: tool,
) -> list[ServerTool]:
    """The tools that the model sees: those that the options move are in the shell, if there is one.

    Args:
        client_names: tools that the caller carries out; they cannot be moved.
        wrapped: makes of a moved tool what the shell calls.

    Raises:
        InvalidInput: the options move a tool of the caller's.
    """
    shell = next((tool for tool in tools if isinstance(tool, HoldsTools)), None)
    if shell is None or options is None:
        return list(tools)
    listed = frozenset(options.tools)
    if options.moves == "listed" and (wrong := sorted(listed & frozenset(client_names))):
        raise InvalidInput(
            f"Tools that the caller carries out cannot be moved into the shell: {', '.join(wrong)}.",
            param="bash_options",
            code="tool_not_movable",
        )
    moved = [tool for tool in tools if _is_moved(tool.spec.name, listed, options)]
    seen = shell.holding([wrapped(tool) for tool in moved])
    return [seen if tool is shell else tool for tool in tools if tool not in moved]


def _is_moved(name: str, listed: frozenset[str], options: ShellOptions) -> bool:
    if name in RESERVED:
        return False
    return (name in listed) == (options.moves == "listed")
