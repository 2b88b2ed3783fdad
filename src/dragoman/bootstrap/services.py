"""All services over one data folder, for the server and for commands alike."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from dragoman.bootstrap.acting import Acting, open_acting
from dragoman.bootstrap.budgets import open_budgets
from dragoman.bootstrap.channels import ChannelParts, open_channels
from dragoman.bootstrap.chat import ChatParts, open_chat
from dragoman.bootstrap.deep import open_deep
from dragoman.bootstrap.foundation import Foundation, open_foundation
from dragoman.bootstrap.keeping import open_kept
from dragoman.bootstrap.knowing import Knowing, open_knowing
from dragoman.bootstrap.metrics import Metrics
from dragoman.bootstrap.models import Models
from dragoman.bootstrap.offline import Denials
from dragoman.bootstrap.oidc import open_oidc
from dragoman.bootstrap.plugins import Beneath, open_plugins
from dragoman.bootstrap.sandboxes import Sandboxed
from dragoman.bootstrap.tls import open_certificates
from dragoman.bootstrap.voice import open_voice, speech_endpoints
from dragoman.bootstrap.working import Wakes, Workers, make_workers
from dragoman.db.database import Database
from dragoman.db.jobs import JobRunner
from dragoman.domain.agents.deep.jobs import DeepJobs
from dragoman.domain.agents.deep.service import DeepResearch
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.leftovers import Leftovers
from dragoman.domain.knowledge.mending import IndexMending
from dragoman.domain.services import Services
from dragoman.domain.usage.answers.service import AnswerLog
from dragoman.domain.usage.conversations.service import ConversationLog, KeptBounds
from dragoman.domain.voice.mind import MindParts
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.public_address import PublicAddress
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    """The services with what only the composition root needs of them."""

    services: Services
    database: Database
    models: Models
    policy: EgressPolicy
    denials: Denials
    tasks: TaskOwner
    ingestion: Ingestion
    leftovers: Leftovers
    mending: IndexMending
    runner: JobRunner
    address: PublicAddress
    sandboxed: Sandboxed
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class _Conversing:
    chat: ChatParts
    channels: ChannelParts
    beneath: Beneath
    answers: AnswerLog
    deep: DeepResearch
    deep_jobs: DeepJobs


async def _open_conversing(base: Foundation, knowing: Knowing, acting: Acting, wakes: Wakes) -> _Conversing:
    chat = await open_chat(
        base.settings,
        database=base.database,
        root_key=base.root_key,
        runner=acting.runner,
        skills=acting.working.skills,
        knowledge=knowing.knowledge,
        viewer=knowing.viewer,
        speech=knowing.speech,
        meter=base.meter,
        labels=base.labels,
        sandbox=acting.sandboxed.workspaces,
        policy=base.policy,
        address=base.address,
        tasks=base.tasks,
        stack=base.stack,
    )
    channels = open_channels(
        base.settings,
        database=base.database,
        root_key=base.root_key,
        policy=base.policy,
        chat=chat,
        runner=acting.runner,
        speech=knowing.speech,
        labels=base.labels,
        tasks=base.tasks,
        wake=wakes.conversations,
        told=base.metrics.channel,
        own=acting.web.hosted.content,
        stack=base.stack,
    )
    beneath, answers = _beneath(base, knowing, acting), AnswerLog(base.database)
    deep, deep_jobs = open_deep(beneath, answers, base.labels, wake=wakes.queue)
    return _Conversing(chat, channels, beneath, answers, deep, deep_jobs)


def _beneath(base: Foundation, knowing: Knowing, acting: Acting) -> Beneath:
    return Beneath(
        database=base.database,
        accounts=base.accounts,
        runner=acting.runner,
        catalogue=knowing.catalogue,
        collections=knowing.collections,
        knowledge=knowing.knowledge,
        retriever=knowing.retriever,
        attached=knowing.attached,
        embed=knowing.embed,
        counter=knowing.counter,
        meter=base.meter,
        web=acting.web.web,
        hosted=acting.web.hosted,
        speech=knowing.speech,
        policy=base.policy,
    )


def _kept_bounds(settings: Settings) -> KeptBounds:
    kept = settings.conversations
    return KeptBounds(kept.keep_days, kept.most_per_account, kept.max_characters)


def _services(base: Foundation, knowing: Knowing, acting: Acting, conversing: _Conversing) -> Services:
    settings, stack = base.settings, base.stack
    return Services(
        settings=settings,
        accounts=base.accounts,
        oidc=open_oidc(base),
        certificates=open_certificates(base),
        catalogue=knowing.catalogue,
        agents=acting.agents,
        runner=acting.runner,
        isolate=acting.sandboxed.isolate,
        collections=knowing.collections,
        knowledge=knowing.knowledge,
        retriever=knowing.retriever,
        embed=knowing.embed,
        speech=knowing.speech,
        tokens=knowing.counter,
        meter=base.meter,
        uploads=knowing.uploads,
        attached=knowing.attached,
        copies=knowing.copies,
        reembedding=knowing.reembedding,
        answers=conversing.answers,
        deep=conversing.deep,
        conversations=ConversationLog(base.database, base.tasks, _kept_bounds(settings)),
        usage=base.usage,
        labels=base.labels,
        web=acting.web.web,
        hosted=acting.web.hosted,
        approvals=acting.working.approvals,
        traces=acting.working.traces,
        tool_servers=acting.mcp.servers,
        registered_tools=acting.mcp.registered,
        inbound=conversing.channels.inbound,
        channels=conversing.channels.channels,
        channel_watch=conversing.channels.watch,
        **open_voice(
            settings,
            database=base.database,
            root_key=base.root_key,
            parts=MindParts(
                acting.runner,
                knowing.catalogue,
                knowing.speech,
                speech_endpoints(base.policy, stack),
                base.meter,
            ),
            tasks=base.tasks,
            stack=stack,
            chat=conversing.chat["chat"],
            metrics=base.metrics,
        ),
        **conversing.chat,
        **open_plugins(settings, conversing.beneath, stack),
        **open_budgets(base),
        **open_kept(base.database, base.policy, base.limits, acting.agents.vault, stack),
    )


async def _begin(base: Foundation, workers: Workers, *, work: bool) -> None:
    """Reads what caches need, and starts what runs by itself."""
    await base.accounts.versions.check()
    await base.accounts.keys.reload()
    await base.limiter.reload()
    await base.labels.reload()
    base.stack.push_async_callback(base.accounts.keys.flush_used)
    if work:
        await workers.start(base)
    base.stack.push_async_callback(base.loader.load)
    base.tasks.start(base.loader.run(), name="usage.loader")
    base.tasks.start(base.limiter.run(), name="limits.tidy")


@asynccontextmanager
async def open_running(settings: Settings, *, work: bool) -> AsyncIterator[Running]:
    """Everything, started; stopped and closed in the opposite order at the end.

    Args:
        work: whether background jobs are carried out here.

    Raises:
        Unavailable: the data folder or the database cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    async with AsyncExitStack() as stack:
        wakes = Wakes.made()
        base = await open_foundation(settings, stack)
        knowing = await open_knowing(base, wake=wakes.queue)
        acting = await open_acting(base, knowing)
        conversing = await _open_conversing(base, knowing, acting, wakes)
        services = _services(base, knowing, acting, conversing)
        workers = make_workers(
            base, knowing, deep=conversing.deep_jobs, channels=conversing.channels, wakes=wakes
        )
        await _begin(base, workers, work=work)
        yield Running(
            services=services,
            database=base.database,
            models=knowing.models,
            policy=base.policy,
            denials=base.denials,
            tasks=base.tasks,
            ingestion=knowing.ingestion,
            leftovers=Leftovers(database=base.database, blobs=knowing.blobs, scratch=knowing.uploads),
            mending=knowing.mending,
            runner=workers.queue,
            address=base.address,
            sandboxed=acting.sandboxed,
            metrics=base.metrics,
        )


@asynccontextmanager
async def open_services(settings: Settings, *, work: bool = False) -> AsyncIterator[Services]:
    """The services, for a command; also while a server runs over the same data folder.

    Args:
        work: whether the command carries out background jobs until it ends.

    Raises:
        Unavailable: the data folder or the database cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    async with open_running(settings, work=work) as running:
        yield running.services
