"""What is kept for users beside chats and documents, and what they may do with each other's things."""

from contextlib import AsyncExitStack
from typing import TypedDict

from dragoman.db.database import Database
from dragoman.domain.agents.numbers import AgentNumbers
from dragoman.domain.agents.vault import AgentVault
from dragoman.domain.chat.replies.service import ReplyStore
from dragoman.domain.chat.transcripts.service import TranscriptsService
from dragoman.domain.knowledge.access import DocumentAccessService
from dragoman.domain.knowledge.sharing import SharingService
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.links import LinkChecker

_LINK_SECONDS = 10.0
_LINK_BYTES = 1024 * 1024


class KeptParts(TypedDict):
    """Those of the services that are made here."""

    replies: ReplyStore
    transcripts: TranscriptsService
    sharing: SharingService
    document_access: DocumentAccessService
    agent_numbers: AgentNumbers
    limits: LimitsService
    links: LinkChecker


def open_kept(
    database: Database,
    policy: EgressPolicy,
    limits: LimitsService,
    vault: AgentVault,
    stack: AsyncExitStack,
) -> KeptParts:
    """The services; what needs closing is given to the stack."""
    client = guarded_client(policy, timeout_seconds=_LINK_SECONDS, max_bytes=_LINK_BYTES)
    stack.push_async_callback(client.aclose)
    return KeptParts(
        replies=ReplyStore(database),
        transcripts=TranscriptsService(database),
        sharing=SharingService(database),
        document_access=DocumentAccessService(database),
        agent_numbers=AgentNumbers(database, vault),
        limits=limits,
        links=LinkChecker(client),
    )
