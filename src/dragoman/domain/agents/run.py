"""Running an agent: context, then the model, then events. The one way an answer is made in every dialect."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.approvals.service import Wish
from dragoman.domain.agents.arguments import ArgumentReader
from dragoman.domain.agents.calls import Calls
from dragoman.domain.agents.consent import Consent
from dragoman.domain.agents.gate import Gate, gate_of
from dragoman.domain.agents.ledger import Ledger
from dragoman.domain.agents.limits import Allowance
from dragoman.domain.agents.lookup import Lookup
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.moved import MovedRules
from dragoman.domain.agents.pending.service import PendingResults
from dragoman.domain.agents.prepare import EndpointModels as EndpointModels
from dragoman.domain.agents.prepare import Preparation, Prepared
from dragoman.domain.agents.prepare import RunnerParts as RunnerParts
from dragoman.domain.agents.request import RunReport as RunReport
from dragoman.domain.agents.request import RunRequest as RunRequest
from dragoman.domain.agents.rounds import Rounds
from dragoman.domain.agents.run_labels import RunLabels
from dragoman.domain.agents.runlog import RunLog
from dragoman.domain.agents.selfcall import PROTOCOL
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.agents.structured import structured
from dragoman.domain.agents.traces.recorder import Recorder, clean
from dragoman.domain.agents.turns import ModelTurns
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.ports import ChatModel, ChatRequest
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.labels.handling import CODE as LABEL_POLICY
from dragoman.domain.labels.handling import Handling
from dragoman.domain.messages.events import CitationsFound, Event, Finished, TextDelta, Usage
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Forbidden, InvalidInput
from dragoman.kit.slip import open_slip
from dragoman.kit.tasks import TaskOwner

_TRACE_SECONDS = 0.5
log = structlog.get_logger(__name__)

_TOOL_PROTOCOLS = (None, "", "native", PROTOCOL)
_DECLINED = "I can't help with this request."
_DECLINE = (
    "The user's request was withheld from you because it belongs to a category that may not be answered here: "
    "{categories}. Decline politely in one or two sentences and offer help with something else."
)


class AgentRunner:
    """Finds agents by name and runs them."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        agents: AgentsService,
        retriever: Retriever,
        endpoints: EndpointModels,
        meter: Meter,
        limits: LimitsService | None = None,
        parts: RunnerParts | None = None,
        tasks: TaskOwner | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._agents = agents
        self._meter = meter
        self._limits = limits
        self._parts = parts or RunnerParts()
        lookup = self._parts.lookup or Lookup(retriever, None)
        self._preparation = Preparation(catalogue, endpoints, lookup, self._parts)
        self._pending = PendingResults(self._parts.database)
        self._reader = ArgumentReader(self._parts.healer)
        self._log = RunLog(self._parts.traces, self._parts.switches, meter)
        self._tasks = tasks or TaskOwner()

    async def resolve(self, caller: Caller, name: str) -> ResolvedAgent:
        """The caller's agent of that id, slug or name, else the catalogue's model of that name.

        Raises:
            NotFound: neither; ``code`` is ``model_not_found``.
        """
        open_slip()
        agent = await self._agents.find(caller, name)
        if agent is not None:
            return agent
        self._catalogue.resolve(name)
        return ResolvedAgent(None, name, AgentSpec(model=name))

    async def run(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, report: RunReport | None = None
    ) -> AsyncGenerator[Event]:
        """The answer as events; closing the iterator early stops the provider and meters what was produced.

        Raises:
            InvalidInput: nothing to answer, or more than the agent's context holds.
            NotFound: the agent's model or one of its collections does not exist.
            Forbidden: the agent's worker refused the message, or a label forbids what would be done.
            ProviderError: the provider failed, or the request could not be moderated.
            Unprocessable: the model gave no JSON of the wanted schema.
            QuotaExceeded: the caller may use no more this month.
        """
        open_slip()
        report = report if report is not None else RunReport()
        _check(agent.spec, request)
        if self._limits is not None:
            await self._limits.check(caller, "monthly_tokens")
        recorder = await self._log.recorder(caller, agent, request, report)
        bearing = RunLabels(self._parts.labels, caller, request)
        report.handling = bearing.handling
        ledger = self._ledger(caller, agent, request, report, bearing.handling)
        events = self._answered(caller, agent, request, report, recorder, ledger, bearing)
        try:
            async with aclosing(events):
                async for event in events:
                    await bearing.seen(event)
                    if isinstance(event, Finished):
                        # Whoever has seen the end finds the whole trace.
                        await bearing.ended()
                        await self._taken_down(caller, agent, recorder, report)
                    yield event
        except DragomanError:
            # Whoever is told of the failure finds the trace, too.
            await self._taken_down(caller, agent, recorder, report)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            recorder.ending = "cancelled" if recorder.ending == "failed" else recorder.ending
            self._tasks.start(bearing.ended(), name="agents.labels")
            raise
        finally:
            if not recorder.kept:
                self._tasks.start(self._log.keep(caller, agent, recorder, report), name="agents.trace")

    async def _taken_down(
        self, caller: Caller, agent: ResolvedAgent, recorder: Recorder, report: RunReport
    ) -> None:
        """Keeps the trace; a database that takes no writes just now does not hold up the answer for long."""
        keeping = self._tasks.start(self._log.keep(caller, agent, recorder, report), name="agents.trace")
        await asyncio.wait([keeping], timeout=_TRACE_SECONDS)

    async def _answered(
        self,
        caller: Caller,
        agent: ResolvedAgent,
        request: RunRequest,
        report: RunReport,
        recorder: Recorder,
        ledger: Ledger,
        bearing: RunLabels,
    ) -> AsyncGenerator[Event]:
        await bearing.begin()
        conversation = await self._preparation.media(agent, request, ledger)
        report.withheld = await self._preparation.withheld(agent.spec, conversation)
        if report.withheld:
            recorder.ending = "withheld"
            recorder.step("decision", "moderation", state="withheld", note=", ".join(report.withheld))
            declined = self._declined(agent, ledger, report)
            async with aclosing(declined):
                async for event in declined:
                    yield event
            return
        agent = await self._preparation.routed(agent, conversation, ledger, report)
        if report.routed is not None:
            recorder.step("decision", "routing", state=report.routed, note=agent.spec.model)
        conversation, goes_on = await self._pending.put_back(caller, agent.name, conversation)
        request = replace(request, conversation=conversation)
        asked = await self._preparation.asked(caller, agent, request, ledger)
        gate = gate_of(self._parts.workers, caller, agent, request, recorder, bearing.handling)
        if gate is not None:
            try:
                agent, request, asked = await gate.received(agent, request, asked)
            except Forbidden as error:
                recorder.ending = "rejected"
                if request.refusals == "error" or error.code == LABEL_POLICY:
                    raise
                log.info("agents.refused_politely", reason=error.detail)
                yield TextDelta(_DECLINED)
                yield Finished("content_filter", Usage(estimated=True), asked.model.name)
                return
        prepared = await self._preparation.equipped(caller, agent, request, ledger, asked)
        if goes_on:
            prepared.skills.reopen(conversation)
        found = asked.found
        report.embedding_down, report.vectors_down = found.embedding_down, found.vectors_down
        report.citations, report.model = found.citations, prepared.model.name
        # A refusal comes before the first event, so that it is the whole answer.
        await ledger.allowed(prepared.model)
        if asked.grounded:
            yield CitationsFound(found.citations)
        rounds = self._rounds(caller, agent, request, prepared, ledger, recorder, gate)
        events = rounds.answer()
        if prepared.structured is not None:
            prefill = agent.spec.prefill or "" if "no_assistant_prefilling" not in agent.spec.flags else ""
            events = structured(rounds.answer, prepared.structured, self._parts.healer, prefill=prefill)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, CitationsFound):
                    report.citations = event.citations
                yield event

    def _rounds(
        self,
        caller: Caller,
        agent: ResolvedAgent,
        request: RunRequest,
        prepared: Prepared,
        ledger: Ledger,
        recorder: Recorder,
        gate: Gate | None,
    ) -> Rounds:
        for one in ledger.report.left_out:
            recorder.step("decision", one.owner, state="left_out", note=one.reason)
        allowance = Allowance(self._parts.limits, lambda: ledger.spent_usd)
        consent = self._consent(caller, agent, request, recorder.run_id)
        hook = gate.called if gate is not None else None

        async def permit(name: str, risk: str) -> None:
            await ledger.handling.to_tool(caller, name, risk)

        prepared.toolbox.overseer.rules = MovedRules(prepared.toolbox.sees, recorder, hook, consent, permit)
        calls = Calls(
            prepared.toolbox, self._reader, allowance, recorder, consent=consent, hook=hook, permit=permit
        )
        return Rounds(
            prepared=prepared,
            pending=self._pending,
            caller=caller,
            agent=agent.name,
            calls=calls,
            allowance=allowance,
            recorder=recorder,
            turns=ModelTurns(prepared, ledger, allowance, self._parts.healer),
        )

    def _consent(
        self, caller: Caller, agent: ResolvedAgent, request: RunRequest, run_id: str
    ) -> Consent | None:
        own = agent.spec.tools.approvals
        rules = (*self._parts.approval_rules, *((own,) if own is not None else ()))
        if not any(rule.names or rule.risks for rule in rules):
            return None
        if self._parts.approvals is None:
            raise InvalidInput("Approvals cannot be asked for on this server.", code="approvals_missing")
        wish = Wish(
            run_id=run_id,
            agent_id=agent.id,
            agent_name=agent.name[:230],
            person=clean(request.user, 256) if request.user else None,
            conversation_id=request.conversation_id,
            tool="",
            risk="",
            arguments={},
        )
        limits = self._parts.limits
        seconds = limits.streamed_wait_seconds if request.streamed else limits.whole_wait_seconds
        return Consent(self._parts.approvals, caller, rules, wish, seconds)

    def _ledger(
        self,
        caller: Caller,
        agent: ResolvedAgent,
        request: RunRequest,
        report: RunReport,
        handling: Handling,
    ) -> Ledger:
        context = UsageContext(
            caller=caller,
            agent_id=agent.id,
            dialect=request.dialect,
            application=request.application,
            end_user=request.user,
            kind="chat",
            started_at=now_ms(),
        )
        return Ledger(
            self._meter,
            self._parts.prices,
            context,
            flags=agent.spec.flags,
            handling=handling,
            report=report,
            fallbacks=self._catalogue.fallbacks,
        )

    async def _declined(
        self, agent: ResolvedAgent, ledger: Ledger, report: RunReport
    ) -> AsyncGenerator[Event]:
        """A polite refusal, in the model's words where it has any; the request itself is not shown to it."""
        if agent.spec.routing is not None:
            cheapest = agent.spec.model_copy(update={"model": agent.spec.routing.low.model})
            agent = replace(agent, spec=cheapest)
        model = self._preparation.model(agent)
        report.model = model.name
        text, usage = _DECLINED, Usage(estimated=True)
        if not model.profile.quotes_only:
            text, usage = await _decline(model, ledger, report.withheld)
        yield TextDelta(text)
        yield Finished("content_filter", usage, model.name)


async def _decline(model: ChatModel, ledger: Ledger, categories: tuple[str, ...]) -> tuple[str, Usage]:
    request = ChatRequest(
        messages=(
            Message.of_text("system", _DECLINE.format(categories=", ".join(categories))),
            Message.of_text("user", "(withheld)"),
        )
    )
    try:
        answer = await fold_stream(ledger.stream(model, request))
    except DragomanError as error:
        # The refusal stands whether or not a model can word it.
        log.warning("moderation.decline_failed", reason=error.detail)
        return _DECLINED, Usage(estimated=True)
    return answer.text.strip() or _DECLINED, answer.usage


def _check(spec: AgentSpec, request: RunRequest) -> None:
    if not request.conversation:
        raise InvalidInput("There is no message to answer.", param="messages")
    if request.provider_settings is not None and spec.endpoint is None:
        raise InvalidInput(
            "Settings for the provider are for models at an address of your own; this model belongs to the server.",
            code="provider_settings_refused",
        )
    if spec.tools.protocol not in _TOOL_PROTOCOLS:
        raise InvalidInput(
            f"The agent's tool protocol {spec.tools.protocol!r} is not known here.",
            code="unknown_tool_protocol",
        )
