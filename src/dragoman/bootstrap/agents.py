"""Agents at work: functions at addresses, workers, memories, approvals, traces, bounds."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import httpx

from dragoman.adapters.isolates.fetching import guarded_fetch
from dragoman.adapters.tools.callbacks import (
    CALLBACK_BYTES,
    CALLBACK_SECONDS,
    CallbackClient,
    CallbackFunctions,
)
from dragoman.adapters.tools.function_listing import Listings
from dragoman.adapters.tools.memories import MemoryTools
from dragoman.adapters.workers.script import ScriptWorkers
from dragoman.adapters.workers.worker import WORKER_BYTES, WORKER_SECONDS, AskedWorkers, RemoteWorkers
from dragoman.bootstrap.telemetry import open_sinks
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.approvals.service import Approvals
from dragoman.domain.agents.limits import RunLimits
from dragoman.domain.agents.run import RunnerParts
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.memories.service import MemoriesService
from dragoman.domain.sandbox.ports import Isolate
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.model import ToolSource
from dragoman.domain.tools.spec import ApprovalRule
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.fetch import Fetcher
from dragoman.settings import Settings

_LISTING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What runs of agents use beside models and knowledge."""

    limits: RunLimits
    skills: SkillsService
    memories: MemoriesService
    workers: AskedWorkers
    approvals: Approvals
    approval_rules: tuple[ApprovalRule, ...]
    traces: TraceLog
    sources: tuple[ToolSource, ...]
    database: Database
    accounts: AccountsService

    def join(self, parts: RunnerParts) -> RunnerParts:
        """The runner's parts with these among them."""
        return replace(
            parts,
            database=self.database,
            switches=self.accounts.switches,
            limits=self.limits,
            skills=self.skills,
            memories=self.memories,
            workers=self.workers,
            approvals=self.approvals,
            approval_rules=self.approval_rules,
            traces=self.traces,
        )


def _limits(settings: Settings) -> RunLimits:
    agents = settings.agents
    return RunLimits(
        rounds=agents.max_rounds,
        tool_seconds=agents.tool_seconds,
        run_seconds=agents.run_seconds,
        tool_characters=agents.tool_characters,
        run_characters=agents.run_characters,
        run_usd=agents.run_usd,
        parallel=agents.parallel_tools,
        streamed_wait_seconds=agents.approval_stream_seconds,
        whole_wait_seconds=agents.approval_whole_seconds,
    )


def open_agents(
    settings: Settings,
    *,
    database: Database,
    root_key: RootKey,
    accounts: AccountsService,
    policy: EgressPolicy,
    isolate: Isolate,
    stack: AsyncExitStack,
) -> AgentParts:
    """The parts; what needs closing is given to the stack."""

    def client(seconds: float, max_bytes: int) -> httpx.AsyncClient:
        made = guarded_client(policy, timeout_seconds=seconds, max_bytes=max_bytes)
        stack.push_async_callback(made.aclose)
        return made

    memories = MemoriesService(database)
    callbacks = CallbackFunctions(
        CallbackClient(client(CALLBACK_SECONDS, CALLBACK_BYTES), accounts.nonce),
        Listings(Fetcher(client(_LISTING_SECONDS, CALLBACK_BYTES)), accounts.nonce),
    )
    agents = settings.agents
    rule = ApprovalRule(names=tuple(agents.approve_tools), risks=tuple(agents.approve_risks))
    return AgentParts(
        limits=_limits(settings),
        skills=SkillsService(database, root_key.sealer("skills")),
        memories=memories,
        workers=AskedWorkers(
            remote=RemoteWorkers(client(WORKER_SECONDS, WORKER_BYTES)),
            script=ScriptWorkers(isolate, guarded_fetch(client(WORKER_SECONDS, WORKER_BYTES))),
            nonce_of=accounts.nonce,
        ),
        approvals=Approvals(database, days=agents.approval_days),
        approval_rules=(rule,),
        traces=TraceLog(database, days=agents.trace_days, sinks=open_sinks(settings, stack)),
        sources=(MemoryTools(memories), callbacks),
        database=database,
        accounts=accounts,
    )
