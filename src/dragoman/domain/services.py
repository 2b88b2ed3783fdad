"""The services a dialect may call: built once by the composition root, never changed."""

from dataclasses import dataclass
from pathlib import Path

from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.usage.meter import Meter
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the dialects. ``uploads`` is a folder for files on their way in."""

    settings: Settings
    accounts: AccountsService
    catalogue: Catalogue
    agents: AgentsService
    runner: AgentRunner
    knowledge: KnowledgeService
    retriever: Retriever
    embed: EmbedService
    tokens: TokenCounter
    meter: Meter
    uploads: Path
