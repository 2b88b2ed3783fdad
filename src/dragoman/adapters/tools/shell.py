"""``shell``: command lines in the workspace of whoever an agent talks to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dragoman.adapters.tools.outcomes import in_words
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.paths import HOME
from dragoman.domain.sandbox.ports import Program, ShellCommand
from dragoman.domain.sandbox.programs import ProgramRunner, Workspace
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

NAME = "shell"
_OWNER = "the shell"
_DESCRIPTION = (
    f"Runs a command line in a shell. The current folder is {HOME}, which commands of one conversation share; "
    "long output is cut, so write it to a file there and look at parts of it."
)


class RunWorkspace:
    """The workspace of one run, made when the first program needs it."""

    def __init__(self, programs: ProgramRunner, scope: ToolScope) -> None:
        self._programs = programs
        self._scope = scope
        self._workspace: Workspace | None = None

    async def run(self, program: Program, commands: Mapping[str, ShellCommand] | None = None) -> ToolResult:
        """Runs the program here; its result in words for a model."""
        self._scope.charge("tools.sandbox", 1, "program in the sandbox")
        if self._workspace is None:
            options = self._scope.tools.shell_options
            persistent = options is not None and options.persistent
            self._workspace = await self._programs.workspace(
                self._scope.caller, self._scope.person, persistent=persistent
            )
        return ToolResult(in_words(await self._programs.run(self._workspace, program, commands)))


@dataclass(frozen=True, slots=True)
class ShellTool:
    """The tool, with the tools that are its commands."""

    workspace: RunWorkspace
    held: tuple[ServerTool, ...] = ()

    @property
    def spec(self) -> ToolSpec:
        """What the model sees."""
        description = _DESCRIPTION
        if self.held:
            names = ", ".join(tool.spec.name for tool in self.held)
            description += (
                f" Beside the usual commands there are: {names}. Each tells by --help what it takes."
            )
        command = {"type": "string", "description": "The command line, for example: ls -l | head"}
        return ToolSpec(
            NAME,
            description,
            {"type": "object", "properties": {"command": command}, "required": ["command"]},
        )

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return _OWNER

    @property
    def risk(self) -> Risk:
        """It runs code."""
        return "execute"

    def holding(self, tools: Sequence[ServerTool]) -> "ShellTool":
        """The same shell with these tools as commands."""
        return replace(self, held=tuple(tools))

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Runs the command line.

        Raises:
            InvalidInput: there is none.
            Unavailable: nothing on this server can run it safely.
        """
        command = arguments.get("command")
        if not isinstance(command, str) or not command.strip():
            raise InvalidInput("The argument 'command' is a command line.", param="command")
        return await self.workspace.run(
            Program(command), {tool.spec.name: _command(tool) for tool in self.held}
        )


def _command(tool: ServerTool) -> ShellCommand:
    async def call(arguments: JsonObject) -> str:
        return (await tool.call(arguments)).text

    return ShellCommand(tool.spec, call)
