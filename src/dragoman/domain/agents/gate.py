"""The agent's worker before the model and before tools: what it is asked, and what becomes of its answers."""

from dataclasses import dataclass, replace

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.editing import Draft, edited
from dragoman.domain.agents.hooks import Called, HookScope, Workers
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.prepare import Asked
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.labels.handling import Handling
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

_WORKER = "the agent's worker"


@dataclass(frozen=True, slots=True)
class Gate:
    """The worker of one run. Without ``workers`` nothing is allowed: an agent with a worker is never run without."""

    workers: Workers | None
    scope: HookScope
    recorder: Recorder
    handling: Handling

    async def received(
        self, agent: ResolvedAgent, request: RunRequest, asked: Asked
    ) -> tuple[ResolvedAgent, RunRequest, Asked]:
        """Agent, request and call as the worker wants them.

        Raises:
            Forbidden: it does not want the message to be answered (``worker_rejected``), or a label forbids to ask it.
        """
        await self.handling.to_tool(self.scope.caller, _WORKER, "outside")
        started_at = now_ms()
        if self.workers is None:
            raise _rejected("Workers cannot be asked on this server.")
        said = await self.workers.received(self.scope, asked.call.messages)
        state = "rejected" if not said.allowed else "rewritten" if said.edits else "continued"
        self.recorder.step("worker", "message.received", started_at=started_at, state=state, note=said.reason)
        if not said.allowed:
            log.info("worker.rejected", agent=self.scope.agent_id, reason=said.reason)
            raise _rejected("The agent's worker did not let this message through.")
        if not said.edits:
            return agent, request, asked
        log.info("worker.rewrote", agent=self.scope.agent_id, edits=len(said.edits))
        draft = edited(Draft(agent, request, list(asked.call.messages)), said.edits)
        if all(message.role == "system" for message in draft.messages):
            raise _rejected("The agent's worker left no message to answer.")
        call = replace(asked.call, messages=tuple(draft.messages), tool_choice=draft.request.tool_choice)
        return draft.agent, draft.request, replace(asked, call=call)

    async def called(self, tool: str, arguments: JsonObject) -> Called:
        """What the worker says to a call."""
        if self.workers is None:
            return Called(False, reason="workers cannot be asked on this server")
        try:
            await self.handling.to_tool(self.scope.caller, _WORKER, "outside")
        except Forbidden as error:
            return Called(False, reason=error.detail)
        return await self.workers.called(self.scope, tool, arguments)


def gate_of(
    workers: Workers | None,
    caller: Caller,
    agent: ResolvedAgent,
    request: RunRequest,
    recorder: Recorder,
    handling: Handling,
) -> Gate | None:
    """The gate of a run, None for an agent without a worker."""
    source = agent.spec.worker
    if not source or not source.strip():
        return None
    scope = HookScope(
        caller=caller,
        source=source.strip(),
        agent_id=agent.id,
        origin=request.origin,
        person=request.user,
        metadata=request.metadata,
        env=agent.spec.worker_env,
    )
    return Gate(workers, scope, recorder, handling)


def _rejected(detail: str) -> Forbidden:
    return Forbidden(detail, code="worker_rejected")
