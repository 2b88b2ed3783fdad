"""Taking runs down: a recorder at their beginning, a trace at their end."""

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.switches import Switches
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.receipt import told_of
from dragoman.domain.agents.request import RunReport, RunRequest
from dragoman.domain.agents.traces.model import RunTrace
from dragoman.domain.agents.traces.recorder import Recorder, clean
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.usage.meter import Meter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

# The widths of the columns that hold them.
_NAME, _ORIGIN, _CONVERSATION, _PERSON = 230, 64, 128, 256


class RunLog:
    """Takes runs down.

    Args:
        traces: where they are kept; None keeps none.
        meter: takes what receipts tell; None where there are none.
        switches: tell whether an account wants what it says to be kept; None: it does.
    """

    def __init__(
        self, traces: TraceLog | None, switches: Switches | None, meter: Meter | None = None
    ) -> None:
        self._traces = traces
        self._meter = meter
        self._switches = switches

    async def recorder(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, report: RunReport
    ) -> Recorder:
        """Takes down the run that begins now."""
        content = True
        if self._switches is not None:
            content = (await self._switches.of(caller)).get("log_conversations") is not False
        now = now_ms()
        begun = RunTrace(
            id=report.run_id,
            agent_id=agent.id,
            agent_name=clean(agent.name, _NAME),
            model="",
            dialect=request.dialect,
            origin=clean(request.origin, _ORIGIN),
            conversation_id=_cleaned(request.conversation_id, _CONVERSATION),
            person=_cleaned(request.user, _PERSON),
            started_at=now,
            ended_at=now,
            ended="failed",
            rounds=0,
            prompt_tokens=0,
            completion_tokens=0,
            cost_micro_usd=0,
        )
        return Recorder(begun, content=content)

    async def keep(self, caller: Caller, agent: ResolvedAgent, recorder: Recorder, report: RunReport) -> None:
        """Keeps the run as it has ended, once, and what its receipt tells."""
        report.ended = recorder.ending
        if self._meter is not None and report.receipt_id is not None and not recorder.told:
            recorder.told = True
            self._meter.tell(caller, report.receipt_id, told_of(agent, report))
        if self._traces is None or recorder.kept:
            return
        recorder.kept = True
        cost = round(sum(charge.amount for charge in report.charges) * 1_000_000)
        trace = recorder.trace(model=report.model or "", cost_micro_usd=cost)
        try:
            await self._traces.keep(caller, trace)
        except DragomanError as error:
            # The answer is there; that nobody can read up how it came about is no reason to lose it.
            log.warning("agents.trace_lost", run=trace.id, reason=error.detail)


def _cleaned(text: str | None, most: int) -> str | None:
    return clean(text, most) if text else None
