"""Web chat and what belongs to it: sessions, planned messages, skills, memories, workspaces."""

from contextlib import AsyncExitStack
from typing import TypedDict
from urllib.parse import quote

from dragoman.db.database import Database
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.chat.attachments import ChatUploads
from dragoman.domain.chat.brief import SpokenBrief
from dragoman.domain.chat.channels.repository import contact_in
from dragoman.domain.chat.cited import CitedPassages
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.context import ContextReader, context_client
from dragoman.domain.chat.following.service import TurnTeller
from dragoman.domain.chat.limits import Pace, VisitorLimits
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.search import ConversationSearch
from dragoman.domain.chat.service import ChatService
from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.domain.chat.speech import AnswerSpeech
from dragoman.domain.chat.takeover import SessionTakeover
from dragoman.domain.chat.uploads.links import UploadLinks
from dragoman.domain.chat.uploads.model import UploadLimits
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.knowledge.viewing import DocumentViewer
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.memories.service import MemoriesService
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.schedules.planning import Planner
from dragoman.domain.schedules.service import SchedulesService
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.usage.meter import Meter
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.gcra import RateLimit
from dragoman.kit.public_address import PublicAddress
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings
from dragoman.settings.pages import PagesSettings

_SPOKEN_AT_ONCE = 10
_SPOKEN_SECONDS = 5.0


class ChatParts(TypedDict):
    """Those of the services that are made here."""

    skills: SkillsService
    memories: MemoriesService
    sandbox: SandboxService
    chat_clients: ChatClientsService
    chat_sessions: ChatSessionsService
    chat: ChatService
    chat_news: NewsDesk
    chat_cited: CitedPassages
    chat_uploads: ChatUploads
    chat_speech: AnswerSpeech
    chat_search: ConversationSearch
    chat_takeover: SessionTakeover
    schedules: SchedulesService
    planner: Planner


async def open_chat(
    settings: Settings,
    *,
    database: Database,
    root_key: RootKey,
    runner: AgentRunner,
    skills: SkillsService,
    knowledge: KnowledgeService,
    viewer: DocumentViewer,
    speech: SpeechService,
    meter: Meter,
    labels: LabelsService,
    sandbox: SandboxService,
    policy: EgressPolicy,
    address: PublicAddress,
    tasks: TaskOwner,
    stack: AsyncExitStack,
) -> ChatParts:
    """The services; what needs closing is given to the stack."""
    contexts = context_client(policy)
    stack.push_async_callback(contexts.aclose)
    sealer = root_key.sealer("chat")
    news, schedules = NewsDesk(database), SchedulesService(database)

    def place(token: str, name: str) -> str:
        return f"{address.base}/api/v1/public/ext-res/attachment/{token}/{quote(name, safe='', errors='replace')}"

    links = UploadLinks(root_key.derive("chat-attachments"), place)
    chat = ChatService(
        database=database,
        runner=runner,
        contexts=ContextReader(contexts),
        tasks=tasks,
        news=news,
        limits=visitor_limits(settings.pages),
        links=links,
        # A SQLite file belongs to one server, which need not tell itself.
        teller=TurnTeller(database) if settings.database_url is not None else None,
    )
    return ChatParts(
        skills=skills,
        memories=MemoriesService(database),
        sandbox=sandbox,
        chat_clients=ChatClientsService(database, sealer),
        chat_sessions=ChatSessionsService(database, sealer, keep_days=settings.chat.keep_expired_days),
        chat=chat,
        chat_news=news,
        chat_cited=CitedPassages(database, chat, knowledge, viewer),
        chat_uploads=ChatUploads(database, chat, speech, meter, labels, upload_limits(settings.pages), links),
        chat_speech=AnswerSpeech(
            database,
            chat,
            speech,
            meter,
            labels,
            SpokenBrief(runner),
            asked=RateLimit(burst=_SPOKEN_AT_ONCE, period_seconds=_SPOKEN_SECONDS),
        ),
        chat_search=ConversationSearch(database),
        chat_takeover=SessionTakeover(
            database, news, held_ms=settings.channels.takeover_seconds * 1000, contact_in=contact_in
        ),
        schedules=schedules,
        planner=Planner(database, schedules),
    )


def visitor_limits(pages: PagesSettings) -> VisitorLimits:
    """How much visitors may ask."""
    return VisitorLimits(
        address=Pace(pages.questions_burst, pages.questions_seconds),
        client=Pace(pages.client_questions_burst, pages.client_questions_seconds),
        per_day=pages.client_questions_per_day,
    )


def upload_limits(pages: PagesSettings) -> UploadLimits:
    """How much may be attached."""
    return UploadLimits(pages.upload_bytes, pages.upload_session_bytes, pages.upload_session_files)
