"""``run_python``: Python scripts beside the shell, in the same workspace."""

from dataclasses import dataclass

from dragoman.adapters.tools.shell import RunWorkspace
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.paths import HOME
from dragoman.domain.sandbox.ports import Program
from dragoman.domain.tools.model import Risk, ToolResult
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

NAME = "run_python"
_DESCRIPTION = (
    f"Runs a Python script; what it prints is the result. The current folder is {HOME}, as in the shell."
)


@dataclass(frozen=True, slots=True)
class PythonTool:
    """The tool."""

    workspace: RunWorkspace

    @property
    def spec(self) -> ToolSpec:
        """What the model sees."""
        code = {"type": "string", "description": "The script, for example: print(6 * 7)"}
        return ToolSpec(
            NAME, _DESCRIPTION, {"type": "object", "properties": {"code": code}, "required": ["code"]}
        )

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return "the shell"

    @property
    def risk(self) -> Risk:
        """It runs code."""
        return "execute"

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Runs the script.

        Raises:
            InvalidInput: there is none.
            Unavailable: nothing on this server can run it safely.
        """
        code = arguments.get("code")
        if not isinstance(code, str) or not code.strip():
            raise InvalidInput("The argument 'code' is a Python script.", param="code")
        return await self.workspace.run(Program(code, "python"))
