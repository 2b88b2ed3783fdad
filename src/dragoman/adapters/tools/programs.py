"""The shell and what runs beside it, for agents that have a shell."""

from collections.abc import Sequence

from dragoman.adapters.tools.python import PythonTool
from dragoman.adapters.tools.shell import RunWorkspace, ShellTool
from dragoman.domain.sandbox.programs import ProgramRunner
from dragoman.domain.tools.model import ServerTool, ToolScope


class ProgramSource:
    """Gives ``shell`` and ``run_python``, which share a workspace for the run."""

    def __init__(self, programs: ProgramRunner) -> None:
        self._programs = programs

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """See the port."""
        if not scope.tools.shell:
            return []
        workspace = RunWorkspace(self._programs, scope)
        return [ShellTool(workspace), PythonTool(workspace)]
