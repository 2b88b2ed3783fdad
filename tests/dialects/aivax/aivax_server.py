"""The dialect over ASGI in-process, with real services on a temporary SQLite database."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
from fastapi import FastAPI
from obstore.store import LocalStore
from starlette.applications import Starlette
from starlette.routing import Mount

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.adapters.codecs.packing import Packer
from dragoman.adapters.isolates.v8 import V8Isolate
from dragoman.adapters.models.scripted import Rule, Script, ScriptedModel
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.bootstrap.chat import upload_limits, visitor_limits
from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.db.jobs.owner import process_owner
from dragoman.db.jobs.runner import JobRunner, JobTiming
from dragoman.dialects.aivax.app import create_app
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.approvals.service import Approvals
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.chat.attachments import ChatUploads
from dragoman.domain.chat.channels.inbound import InboundMessages
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.repository import contact_in
from dragoman.domain.chat.channels.service import ChannelsService
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.channels.watch.repository import note
from dragoman.domain.chat.channels.watch.service import ChannelWatch
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.context import MOST_BYTES, ContextReader
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.service import ChatService
from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.domain.chat.takeover import SessionTakeover
from dragoman.domain.chat.uploads.links import UploadLinks
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.ports import ChatModel, EmbedderProfile, Vectors
from dragoman.domain.inference.speech.service import Engines, SpeechService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import ChunkSizes, Ingestion
from dragoman.domain.knowledge.jobs import KnowledgeJobs
from dragoman.domain.knowledge.ports import ParsedDocument
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.labels.model import Policies
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.memories.service import MemoriesService
from dragoman.domain.sandbox.model import Bounds
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.schedules.planning import Planner
from dragoman.domain.schedules.service import SchedulesService
from dragoman.domain.services import Services
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.pages import PageLimits, PageReader
from dragoman.domain.tools.web import Web
from dragoman.domain.usage.conversations.service import ConversationLog
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.meter import Meter
from dragoman.domain.usage.reports import UsageReports
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.processes import ChildPool
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

_DIMENSIONS = 64


class WordEmbedder:
    """Texts that share words lie near each other; the same text always gets the same vector."""

    def __init__(self) -> None:
        self.held = anyio.Event()
        self.held.set()

    @property
    def profile(self) -> EmbedderProfile:
        return EmbedderProfile("words", "words-1", _DIMENSIONS, 512)

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), _DIMENSIONS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[
                    int.from_bytes(hashlib.sha256(word.strip(".,?").encode()).digest()[:4]) % _DIMENSIONS
                ] += 1
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        await self.held.wait()
        return self._vectors(texts)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(texts)


class _NoParser:
    """The dialect takes texts only."""

    async def parse(self, path: Path, *, name: str, media_type: str | None) -> ParsedDocument:
        raise AssertionError("no file is read here")


# What the model of tests says is chosen by a word of the question.
SCRIPT = Script(
    rules=(
        Rule(match="slowly", text="word " * 400, delay_seconds=0.02),
        Rule(match="wait a bit", text="word word word ", delay_seconds=0.15),
        Rule(match="break at once", error="provider", error_message="The provider is down."),
        Rule(match="break later", text="one two three", error="provider", error_after=2),
        Rule(match="forbidden", error="invalid", error_message="The provider refuses this."),
        Rule(match="think", text="So it is.", reasoning="Let me see."),
        Rule(match="call a tool", tool_calls=({"name": "order", "arguments": '{"id": 1}'},)),  # pyright: ignore[reportArgumentType]
    )
)


_NO_SPEECH = SpeechService(Engines(), Packer(), longest_bytes=1 << 20)
_NO_NETWORK = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(404)))


class _NotHere:
    """Stands for services that only other dialects use."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("this dialect does not use it")


def _of_other_dialects() -> Any:
    return _NotHere()


def _endpoint(address: str, model: str, key: str | None, name: str) -> ChatModel:
    raise AssertionError("no endpoint is called here")


@dataclass
class Dialect:
    """The application with what tests reach for."""

    app: FastAPI
    services: Services
    embedder: WordEmbedder
    caller: Caller
    key: str
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient
    visitor: httpx.AsyncClient
    database: Database
    model: ScriptedModel
    pages: dict[str, httpx.Response]

    async def settled(self, collection_id: str, *, within_seconds: float = 30.0) -> dict[str, Any]:
        """The collection's state once nothing is queued."""
        with anyio.fail_after(within_seconds):
            while True:
                state = (await self.client.get(f"/api/v1/collections/{collection_id}")).json()["state"]
                if state["queued"] == 0:
                    return state
                await anyio.sleep(0.02)


def settings_of(folder: Path, **changed: Any) -> Settings:
    """Settings of a test server."""
    return Settings.model_validate({"data_dir": folder, **changed})


async def _public(host: str, port: int) -> list[str]:
    return ["93.184.216.34"]


def _chat_services(
    settings: Settings,
    database: Database,
    root_key: RootKey,
    runner: AgentRunner,
    tasks: TaskOwner,
    meter: Meter,
    labels: LabelsService,
) -> tuple[dict[str, Any], dict[str, httpx.Response]]:
    pages: dict[str, httpx.Response] = {}

    async def respond(request: httpx.Request) -> httpx.Response:
        await request.aread()
        page = pages.get(f"{request.url.scheme}://{request.headers['host']}{request.url.path}")
        if page is None:
            raise httpx.ConnectError("nobody listens")
        return httpx.Response(page.status_code, headers=page.headers, content=page.content)

    contexts = guarded_client(
        EgressPolicy(), max_bytes=MOST_BYTES, resolver=_public, transport=httpx.MockTransport(respond)
    )
    sealer = root_key.sealer("chat")
    bounds = Bounds(settings.sandbox.max_file_bytes, settings.sandbox.workspace_bytes)
    clients = ChatClientsService(database, sealer)
    places = Places(database, clients, {}, root_key.derive("channel-hooks"))
    chat_sessions = ChatSessionsService(database, sealer)
    news = NewsDesk(database)
    takeover = Takeover(ContactSessions(chat_sessions), held_ms=3_600_000)
    links = UploadLinks(root_key.derive("chat-attachments"), lambda token, name: f"http://dragoman/{token}")
    chat = ChatService(
        database=database,
        runner=runner,
        contexts=ContextReader(contexts),
        tasks=tasks,
        news=news,
        limits=visitor_limits(settings.pages),
        links=links,
    )
    inbound = InboundMessages(database, places, takeover, wake=lambda: None, noted=note)
    services: dict[str, Any] = {
        "inbound": inbound,
        "channel_watch": ChannelWatch(database, places, inbound, wake=lambda: None),
        "channels": ChannelsService(database, places, takeover, wake=lambda: None),
        "skills": SkillsService(database, root_key.sealer("skills")),
        "memories": MemoriesService(database),
        "sandbox": SandboxService(database, settings.data_dir / "workspaces", bounds),
        "chat_clients": clients,
        "chat_sessions": chat_sessions,
        "chat": chat,
        "chat_uploads": ChatUploads(
            database, chat, _NO_SPEECH, meter, labels, upload_limits(settings.pages), links
        ),
        "chat_news": news,
        "chat_takeover": SessionTakeover(database, news, held_ms=3_600_000, contact_in=contact_in),
        "schedules": SchedulesService(database),
        "planner": Planner(database, SchedulesService(database)),
    }
    return services, pages


@dataclass
class _Parts:
    services: Services
    ingestion: Ingestion
    journal: Journal
    model: ScriptedModel
    pages: dict[str, httpx.Response]


def _services(
    settings: Settings,
    database: Database,
    embedder: WordEmbedder,
    wake: Callable[[], None],
    tasks: TaskOwner,
    scripts: ChildPool,
) -> _Parts:
    folder = settings.data_dir
    root_key = RootKey(b"k" * 32)
    accounts = AccountsService(database, root_key)
    tokens = TokenCounter(lambda _: EstimateTokenizer())
    embed = EmbedService(embedder, counter=tokens)
    index = SqliteIndex()
    indexing = Indexing(index)
    for name in ("blobs", "uploads", "journal"):
        (folder / name).mkdir()
    blobs = ObjectStoreBlobs(LocalStore(str(folder / "blobs")))
    sizes = ChunkSizes(200, 30, lambda text: len(text) // 4)
    ingestion = Ingestion(
        database=database,
        indexing=indexing,
        blobs=blobs,
        parser=_NoParser(),
        embed=embed,
        sizes=sizes,
        wake=wake,
        scratch=folder / "uploads",
    )
    agents = AgentsService(
        database=database, sealer=root_key.sealer("agents"), announce=lambda connection, topic: None
    )
    retriever = Retriever(database=database, index=index, embed=embed, reranker=None)
    model = ScriptedModel("echo", SCRIPT)
    catalogue = Catalogue({"echo": model}, "echo")
    journal = Journal(folder / "journal")
    meter = Meter(journal)
    runner = AgentRunner(
        catalogue=catalogue, agents=agents, retriever=retriever, endpoints=_endpoint, meter=meter
    )
    labels = LabelsService(database, accounts.versions, Policies(()))
    chat, pages = _chat_services(settings, database, root_key, runner, tasks, meter, labels)
    given: dict[str, Any] = dict(
        settings=settings,
        accounts=accounts,
        catalogue=catalogue,
        agents=agents,
        runner=runner,
        isolate=V8Isolate(scripts, memory_bytes=64 << 20),
        collections=CollectionsService(
            database=database, indexing=indexing, ingestion=ingestion, blobs=blobs
        ),
        knowledge=KnowledgeService(database=database, indexing=indexing, ingestion=ingestion, blobs=blobs),
        retriever=retriever,
        embed=embed,
        tokens=tokens,
        meter=meter,
        uploads=folder / "uploads",
        web=Web(PageReader(_NO_NETWORK, html=None, files=None, limits=PageLimits())),
        hosted=HostedFiles(database, blobs, link=lambda kind, token, name: f"http://dragoman/{kind}/{token}"),
        approvals=Approvals(database, days=7),
        traces=TraceLog(database, days=30),
        labels=labels,
        conversations=ConversationLog(database, tasks),
        usage=UsageReports(database, JournalLoader(journal, database)),
        **chat,
    )
    others = {one.name: _of_other_dialects() for one in fields(Services) if one.name not in given}
    services = Services(**given, **others)
    return _Parts(services, ingestion, journal, model, pages)


async def _with_key(services: Services, email: str) -> tuple[Caller, str]:
    await services.accounts.admin.create_user(NewUser(email))
    _, key = await services.accounts.admin.create_key(email, "first")
    return await services.accounts.keys.authenticate_slow(key), key


def _client(app: Starlette, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://dragoman",
        headers={"Authorization": f"Bearer {key}"},
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Dialect]:
    """A dialect with its jobs running, for settings whose data folder has a migrated database."""
    database = open_database(None, settings.data_dir)
    embedder = WordEmbedder()
    wakes: list[Callable[[], None]] = []

    def woken() -> None:
        for wake in wakes:
            wake()

    tasks = TaskOwner()
    scripts = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="script", env=None)
    parts = _services(settings, database, embedder, woken, tasks, scripts)
    services = parts.services
    jobs = KnowledgeJobs(parts.ingestion)
    runner = JobRunner(
        database,
        jobs.handlers(),
        owner=process_owner(),
        concurrency=2,
        on_failed=jobs.failed,
        timing=JobTiming(poll_seconds=0.05),
    )
    wakes.append(runner.wake)
    await database.write(SqliteIndex().prepare, 0)
    caller, key = await _with_key(services, "ana@example.org")
    _, other_key = await _with_key(services, "bob@example.com")
    await runner.start()
    app = create_app(services)
    root = Starlette(routes=[Mount("/api/v1", app)])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(scripts.close)
        stack.push_async_callback(database.close)
        stack.callback(parts.journal.close)
        stack.push_async_callback(runner.stop)
        stack.push_async_callback(tasks.close)
        client = await stack.enter_async_context(_client(root, key))
        stranger = await stack.enter_async_context(_client(root, other_key))
        visitor = await stack.enter_async_context(_client(root, ""))
        visitor.headers.pop("Authorization")
        yield Dialect(
            app,
            services,
            embedder,
            caller,
            key,
            client,
            stranger,
            visitor,
            database,
            parts.model,
            parts.pages,
        )
