"""All services over one data folder, for the server and for commands alike."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from anyio import to_thread

from dragoman.adapters.blobs.obstore import local_blobs
from dragoman.adapters.models.extractive import EmbedderJudge, ExtractiveModel
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.adapters.tokenizers.loader import TokenizerLoader
from dragoman.bootstrap.accounts import open_database_and_key
from dragoman.bootstrap.agents import open_agents
from dragoman.bootstrap.answering import open_runner_parts, price_table
from dragoman.bootstrap.channels import open_channels
from dragoman.bootstrap.chat import open_chat
from dragoman.bootstrap.deep import all_told, open_deep
from dragoman.bootstrap.keeping import open_kept
from dragoman.bootstrap.mcp import open_mcp
from dragoman.bootstrap.models import EndpointModels, Models, open_catalogue
from dragoman.bootstrap.plugins import Beneath, open_plugins
from dragoman.bootstrap.retrieval import open_embedder, open_parser, open_reranker, passage_index
from dragoman.bootstrap.sandboxes import Sandboxed, open_sandboxes
from dragoman.bootstrap.speech import open_speech
from dragoman.bootstrap.tools import planning_tools
from dragoman.bootstrap.voice import open_voice, speech_endpoints
from dragoman.bootstrap.web import open_web
from dragoman.db.database import Database
from dragoman.db.jobs import JobRunner, process_owner
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.deep.jobs import STEP
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge import jobs
from dragoman.domain.knowledge.attached.service import AttachedFiles
from dragoman.domain.knowledge.copies import DocumentCopies
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import ChunkSizes, Ingestion
from dragoman.domain.knowledge.leftovers import Leftovers
from dragoman.domain.knowledge.recordings import RecordingParser
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.knowledge.teaching import CountedIngestion
from dragoman.domain.services import Services
from dragoman.domain.tools.catalogue import ToolCatalogue
from dragoman.domain.usage.answers.service import AnswerLog
from dragoman.domain.usage.conversations.service import ConversationLog, KeptBounds
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.meter import Meter
from dragoman.domain.usage.reports import UsageReports
from dragoman.domain.voice.mind import MindParts
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.public_address import PublicAddress
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

_QUEUE_CONCURRENCY = 8
_DEEP_CONCURRENCY = 3


@dataclass(frozen=True, slots=True)
class Running:
    """The services with what only the composition root needs of them."""

    services: Services
    database: Database
    models: Models
    policy: EgressPolicy
    tasks: TaskOwner
    ingestion: Ingestion
    leftovers: Leftovers
    runner: JobRunner
    address: PublicAddress
    sandboxed: Sandboxed


class _Wake:
    """Wakes the job runner, which is made after those who need to wake it."""

    def __init__(self) -> None:
        self.runner: JobRunner | None = None

    def __call__(self) -> None:
        if self.runner is not None:
            self.runner.wake()


def _kept_bounds(settings: Settings) -> KeptBounds:
    kept = settings.conversations
    return KeptBounds(kept.keep_days, kept.most_per_account, kept.max_characters)


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
        database, root_key = await stack.enter_async_context(open_database_and_key(settings))
        tasks = TaskOwner()
        stack.push_async_callback(tasks.close)
        policy = EgressPolicy.parse(settings.egress.allow, offline=settings.offline)
        accounts = AccountsService(database, root_key)
        journal = await to_thread.run_sync(Journal, settings.data_dir / "journal")
        stack.push_async_callback(to_thread.run_sync, journal.close)
        loader = JournalLoader(journal, database)
        usage = UsageReports(database, loader)
        limits = LimitsService(database, accounts.versions, usage)
        prices = price_table(settings)
        meter = Meter(journal, price=prices.micro_usd)
        counter = TokenCounter(TokenizerLoader(settings.weights_dir))
        embedder, reason = open_embedder(settings, policy, stack)
        embed = EmbedService(embedder, counter=counter, reason=reason)
        extractive = ExtractiveModel(judge=EmbedderJudge(embedder) if embedder is not None else None)
        catalogue, models = open_catalogue(settings, policy, extractive, stack)
        index = passage_index(database)
        blobs = local_blobs(settings.data_dir / "blobs")
        uploads = settings.data_dir / "uploads"
        await to_thread.run_sync(lambda: uploads.mkdir(parents=True, exist_ok=True))
        indexing, wake = Indexing(index), _Wake()
        sizes = ChunkSizes(
            settings.knowledge.passage_tokens,
            settings.knowledge.passage_overlap_tokens,
            EstimateTokenizer().count,
        )
        speech = open_speech(settings, policy, stack)
        parser = RecordingParser(open_parser(settings, stack), speech)
        ingestion = Ingestion(
            database=database,
            indexing=indexing,
            blobs=blobs,
            parser=parser,
            embed=embed,
            sizes=sizes,
            wake=wake,
            scratch=uploads,
        )
        retriever = Retriever(
            database=database, index=index, embed=embed, reranker=open_reranker(settings, stack)
        )
        agents = AgentsService(
            database=database, sealer=root_key.sealer("agents"), announce=accounts.versions.announce
        )
        accounts.versions.subscribe("agents", agents.forgotten)
        await database.write(index.prepare, embed.profile.dimensions if embed.profile else 0)
        knowledge = KnowledgeService(
            database=database, indexing=indexing, ingestion=ingestion, blobs=blobs, limits=limits
        )
        sandboxed = await open_sandboxes(settings, database=database, policy=policy, tasks=tasks, stack=stack)
        address = PublicAddress(settings.server.public_url, settings.server.host, settings.server.port)
        web = open_web(
            settings,
            policy=policy,
            parser=parser,
            database=database,
            blobs=blobs,
            address=address,
            stack=stack,
        )
        working = open_agents(
            settings,
            database=database,
            accounts=accounts,
            policy=policy,
            isolate=sandboxed.isolate,
            stack=stack,
        )
        mcp = open_mcp(
            settings, database=database, root_key=root_key, accounts=accounts, policy=policy, tasks=tasks
        )
        answering = AgentRunner(
            catalogue=catalogue,
            agents=agents,
            retriever=retriever,
            endpoints=EndpointModels(policy, stack),
            meter=meter,
            limits=limits,
            tasks=tasks,
            parts=working.join(
                open_runner_parts(
                    settings,
                    catalogue=catalogue,
                    policy=policy,
                    prices=prices,
                    retriever=retriever,
                    embed=embed,
                    knowledge=knowledge,
                    parser=parser,
                    speech=speech,
                    uploads=uploads,
                    tools=ToolCatalogue(
                        [
                            web.source,
                            *working.sources,
                            *sandboxed.sources,
                            planning_tools(database),
                            *mcp.sources,
                        ]
                    ),
                    stack=stack,
                )
            ),
        )
        chat = await open_chat(
            settings,
            database=database,
            root_key=root_key,
            runner=answering,
            sandbox=sandboxed.workspaces,
            policy=policy,
            tasks=tasks,
            stack=stack,
        )
        attached = AttachedFiles(database, parser)
        beneath = Beneath(
            database=database,
            accounts=accounts,
            runner=answering,
            catalogue=catalogue,
            knowledge=knowledge,
            retriever=retriever,
            attached=attached,
            embed=embed,
            counter=counter,
            meter=meter,
            web=web.web,
            hosted=web.hosted,
            speech=speech,
            policy=policy,
        )
        answers = AnswerLog(database)
        deep, deep_jobs = open_deep(beneath, answers, wake=wake)
        channels_wake = _Wake()
        channels = open_channels(
            settings,
            database=database,
            root_key=root_key,
            policy=policy,
            chat=chat,
            speech=speech,
            tasks=tasks,
            wake=channels_wake,
            stack=stack,
        )
        services = Services(
            settings=settings,
            accounts=accounts,
            catalogue=catalogue,
            agents=agents,
            runner=answering,
            knowledge=knowledge,
            retriever=retriever,
            embed=embed,
            speech=speech,
            tokens=counter,
            meter=meter,
            uploads=uploads,
            attached=attached,
            copies=DocumentCopies(
                database=database,
                indexing=indexing,
                ingestion=ingestion,
                embed=embed,
                blobs=blobs,
                scratch=uploads,
            ),
            answers=answers,
            deep=deep,
            conversations=ConversationLog(database, tasks, _kept_bounds(settings)),
            usage=usage,
            web=web.web,
            hosted=web.hosted,
            approvals=working.approvals,
            traces=working.traces,
            tool_servers=mcp.servers,
            registered_tools=mcp.registered,
            inbound=channels.inbound,
            channels=channels.channels,
            **open_voice(
                settings,
                database=database,
                root_key=root_key,
                parts=MindParts(answering, catalogue, speech, speech_endpoints(policy, stack), meter),
                tasks=tasks,
                stack=stack,
            ),
            **chat,
            **open_plugins(settings, beneath, stack),
            **open_kept(database, policy, limits, stack),
        )
        counted = CountedIngestion(ingestion, database, meter=meter, counter=counter, embed=embed)
        work_here = jobs.KnowledgeJobs(counted)
        limit = settings.knowledge.ingest_concurrency
        runner = JobRunner(
            database,
            {**work_here.handlers(), **deep_jobs.handlers()},
            owner=process_owner(),
            concurrency=_QUEUE_CONCURRENCY,
            limits={jobs.READ: limit, jobs.INDEX: limit, jobs.EMBED: 1, STEP: _DEEP_CONCURRENCY},
            on_failed=all_told([work_here.failed, deep_jobs.failed]),
        )
        wake.runner = runner if work else None
        conversations = JobRunner(
            database,
            channels.handlers,
            owner=process_owner(),
            concurrency=settings.channels.concurrency,
            on_failed=channels.failed,
        )
        channels_wake.runner = conversations if work else None
        await accounts.versions.check()
        await accounts.keys.reload()
        stack.push_async_callback(accounts.keys.flush_used)
        if work:
            await runner.start()
            stack.push_async_callback(runner.stop)
            await conversations.start()
            stack.push_async_callback(conversations.stop)
            tasks.start(channels.forgotten.run(), name="channels.forgotten")
        stack.push_async_callback(loader.load)
        tasks.start(loader.run(), name="usage.loader")
        leftovers = Leftovers(database=database, blobs=blobs, scratch=uploads)
        yield Running(
            services, database, models, policy, tasks, ingestion, leftovers, runner, address, sandboxed
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
