"""``evaluate_code``: JavaScript that reaches nothing, for calculations."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.adapters.tools.outcomes import shortened
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.sandbox.ports import Isolate
from dragoman.domain.tools.model import Charging, Risk, ServerTool, ToolResult, ToolScope
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

NAME = "evaluate_code"
_BUILTIN = "code"
_DESCRIPTION = (
    "Evaluates JavaScript and gives the value of its last expression and what it wrote to the console. "
    "For calculations and for working on text; there are no files, no network and no imports."
)


@dataclass(frozen=True, slots=True)
class CodeTool:
    """The tool."""

    isolate: Isolate
    seconds: float
    charge: Charging

    @property
    def spec(self) -> ToolSpec:
        """What the model sees."""
        code = {"type": "string", "description": "The script, for example: [3, 1, 2].sort()"}
        return ToolSpec(
            NAME, _DESCRIPTION, {"type": "object", "properties": {"code": code}, "required": ["code"]}
        )

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return "built-in functions"

    @property
    def risk(self) -> Risk:
        """It runs code."""
        return "execute"

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Evaluates the script.

        Raises:
            InvalidInput: there is none, or it cannot be parsed.
            Unprocessable: it failed.
            DeadlineExceeded: it did not end in time.
        """
        code = arguments.get("code")
        if not isinstance(code, str) or not code.strip():
            raise InvalidInput("The argument 'code' is a script.", param="code")
        self.charge("tools.code", 1, "script")
        found = await self.isolate.evaluate(code, timeout_seconds=self.seconds)
        console = f"\nConsole:\n{found.console}" if found.console else ""
        return ToolResult(shortened(found.value + console))


class CodeSource:
    """Gives the tool to agents that have the built-in function ``code``."""

    def __init__(self, isolate: Isolate, *, seconds: float) -> None:
        self._isolate = isolate
        self._seconds = seconds

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """See the port."""
        if _BUILTIN not in (scope.tools.builtin or ()):
            return []
        return [CodeTool(self._isolate, self._seconds, scope.charge)]
