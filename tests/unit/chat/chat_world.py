"""The services of web chat over one database, with a scripted agent."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import httpx

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.model import AgentSecrets, ResolvedAgent
from dragoman.domain.agents.run import AgentRunner, RunRequest
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.chat.channels.repository import contact_in
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.context import ContextReader
from dragoman.domain.chat.limits import Pace, VisitorLimits
from dragoman.domain.chat.model import ClientDraft, SessionDraft
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.service import ChatService, Prompt
from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.domain.chat.takeover import SessionTakeover
from dragoman.domain.chat.uploads.links import UploadLinks
from dragoman.domain.messages.events import Event, Finished, TextDelta, Usage
from dragoman.domain.messages.parts import (
    TextPart,
)
from dragoman.kit.crypto import RootKey
from dragoman.kit.tasks import TaskOwner

ROOT = RootKey(bytes(range(32)))
HOUR = 3_600_000


class Clock:
    """Milliseconds that move only when told."""

    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class Runner:
    """Answers with the number of turns it was shown, once it may."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def resolve(self, caller: Caller, name: str) -> ResolvedAgent:
        return ResolvedAgent(name, "agent", AgentSpec(model="m", system_prompt="Be kind."))

    async def run(self, caller: Caller, agent: ResolvedAgent, request: RunRequest) -> AsyncGenerator[Event]:
        self.requests.append(request)
        yield TextDelta("seen: ")
        await self.may_answer.wait()
        yield TextDelta(str(len(request.conversation)))
        yield Finished("stop", Usage(7, 5), "m")


class World:
    """The services over one database, with one user, agent and client."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.runner = Runner()
        self.tasks = TaskOwner()
        sealer = ROOT.sealer("chat")
        self.clients = ChatClientsService(database, sealer, clock_ms=self.clock)
        self.sessions = ChatSessionsService(database, sealer, clock_ms=self.clock)
        self.news = NewsDesk(database, clock_ms=self.clock)
        self.limits = VisitorLimits(
            address=Pace(100, 1),
            client=Pace(100, 1),
            per_day=0,
        )
        self.takeover = SessionTakeover(
            database, self.news, held_ms=60_000, contact_in=contact_in, clock_ms=self.clock
        )
        self.chat = self.service()

    def service(self) -> ChatService:
        return ChatService(
            database=self.database,
            runner=cast("AgentRunner", self.runner),
            contexts=ContextReader(httpx.AsyncClient()),
            tasks=self.tasks,
            news=self.news,
            limits=self.limits,
            links=UploadLinks(ROOT.derive("files"), lambda token, name: f"http://dragoman/{token}/{name}"),
            clock_ms=self.clock,
        )

    async def prepare(self) -> None:
        admin = AccountsService(self.database, ROOT).admin
        for email in ("ana@example.org", "bob@example.com"):
            await admin.create_user(NewUser(email))
        self.ana, self.bob = await admin.caller("ana@example.org"), await admin.caller("bob@example.com")
        self.agents = AgentsService(
            database=self.database, sealer=ROOT.sealer("agents"), announce=lambda connection, topic: None
        )
        agent = await self.agents.create(
            self.ana, "gateway", "Helper", AgentSpec(model="m"), secrets=AgentSecrets(), extensions={}
        )
        self.agent_id = agent.id
        self.client = await self.clients.create(self.ana, ClientDraft("Shop", agent.id))

    async def key(self, **draft: Any) -> str:
        _, key = await self.sessions.create(
            self.ana, self.client.id, SessionDraft(draft.pop("seconds", 3600), **draft)
        )
        return key

    async def ask(self, key: str, text: str = "hello") -> str:
        turn = await self.chat.ask(key, Prompt((TextPart(text),), "test"))
        return (await turn.reply()).answer.text

    async def limit(self, **limits: int) -> None:
        await self.clients.update(self.ana, self.client.id, lambda before: replace(before, **limits))
