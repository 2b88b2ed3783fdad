"""The services a dialect may call: built once by the composition root, never changed."""

from dataclasses import dataclass
from pathlib import Path

from dragoman.domain.accounts.certificates.service import ClientCertificates
from dragoman.domain.accounts.external.service import ExternalSignIn
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.approvals.service import Approvals
from dragoman.domain.agents.deep.service import DeepResearch
from dragoman.domain.agents.numbers import AgentNumbers
from dragoman.domain.agents.plugins.service import PluginService
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.traces.service import TraceLog
from dragoman.domain.chat.attachments import ChatUploads
from dragoman.domain.chat.channels.inbound import InboundMessages
from dragoman.domain.chat.channels.service import ChannelsService
from dragoman.domain.chat.channels.watch.service import ChannelWatch
from dragoman.domain.chat.cited import CitedPassages
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.replies.service import ReplyStore
from dragoman.domain.chat.search import ConversationSearch
from dragoman.domain.chat.service import ChatService
from dragoman.domain.chat.sessions import ChatSessionsService
from dragoman.domain.chat.speech import AnswerSpeech
from dragoman.domain.chat.takeover import SessionTakeover
from dragoman.domain.chat.transcripts.service import TranscriptsService
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.access import DocumentAccessService
from dragoman.domain.knowledge.attached.service import AttachedFiles
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.copies import DocumentCopies
from dragoman.domain.knowledge.reembed import Reembedding
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.knowledge.sharing import SharingService
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.memories.service import MemoriesService
from dragoman.domain.sandbox.ports import Isolate
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.schedules.planning import Planner
from dragoman.domain.schedules.service import SchedulesService
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.servers.service import ToolServersService
from dragoman.domain.tools.servers.source import RegisteredServers
from dragoman.domain.tools.tables import TableEngine
from dragoman.domain.tools.web import Web
from dragoman.domain.usage.answers.service import AnswerLog
from dragoman.domain.usage.budgets.service import BudgetsService
from dragoman.domain.usage.conversations.service import ConversationLog
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.domain.usage.meter import Meter
from dragoman.domain.usage.receipts.service import Receipts
from dragoman.domain.usage.reports import UsageReports
from dragoman.domain.usage.summaries import UsageSummaries
from dragoman.domain.voice.calls import CallsService
from dragoman.domain.voice.sessions import VoiceSessionsService
from dragoman.kit.links import LinkChecker
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the dialects. ``uploads`` is a folder for files on their way in."""

    settings: Settings
    accounts: AccountsService
    oidc: ExternalSignIn | None
    certificates: ClientCertificates
    catalogue: Catalogue
    agents: AgentsService
    runner: AgentRunner
    collections: CollectionsService
    knowledge: KnowledgeService
    retriever: Retriever
    embed: EmbedService
    speech: SpeechService
    tokens: TokenCounter
    meter: Meter
    uploads: Path
    attached: AttachedFiles
    copies: DocumentCopies
    reembedding: Reembedding
    answers: AnswerLog
    conversations: ConversationLog
    usage: UsageReports
    approvals: Approvals
    traces: TraceLog
    skills: SkillsService
    memories: MemoriesService
    sandbox: SandboxService
    isolate: Isolate
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
    web: Web
    hosted: HostedFiles
    voice_sessions: VoiceSessionsService
    plugins: PluginService
    deep: DeepResearch
    tables: TableEngine
    tool_servers: ToolServersService
    registered_tools: RegisteredServers
    inbound: InboundMessages
    channels: ChannelsService
    channel_watch: ChannelWatch
    replies: ReplyStore
    transcripts: TranscriptsService
    sharing: SharingService
    document_access: DocumentAccessService
    agent_numbers: AgentNumbers
    limits: LimitsService
    budgets: BudgetsService
    receipts: Receipts
    labels: LabelsService
    summaries: UsageSummaries
    links: LinkChecker
    voice_calls: CallsService
