"""Chat clients, sessions and messages as they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.spec import ChatClientSpec
from dragoman.domain.messages.parts import Part, TextPart, ToolCall
from dragoman.kit.jsontypes import JsonObject, JsonValue

Channel = Literal["zapi", "telegram", "evolution", "kapso"]


@dataclass(frozen=True, slots=True)
class ClientDraft:
    """What somebody writes of a client. Limits of 0 or less are none; ``most_messages`` counts both sides."""

    name: str
    agent_id: str | None = None
    messages_per_hour: int = 0
    most_messages: int = 0
    spec: ChatClientSpec = field(default_factory=ChatClientSpec)


@dataclass(frozen=True, slots=True)
class ChatClient:
    """A stored client. Times are in milliseconds."""

    id: str
    owner_id: str
    draft: ClientDraft
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """Who answers for a client."""

    id: str
    name: str
    model: str


@dataclass(frozen=True, slots=True)
class ClientOverview:
    """A client with who answers for it and how many sessions have not expired."""

    client: ChatClient
    agent: AgentSummary | None
    active_sessions: int


@dataclass(frozen=True, slots=True)
class Integration:
    """Another place where a client answers. ``secrets`` are in clear: for use, never for show."""

    channel: Channel
    settings: Mapping[str, JsonValue]
    secrets: Mapping[str, str]
    session_ms: int


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """What a session is asked to be. ``tag`` names the human behind it; ``context_location`` is read at every message."""

    seconds: int
    tag: str | None = None
    extra_context: str | None = None
    context_location: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ChatSession:
    """A stored session. Times are in milliseconds; ``turn_until`` is set while an answer is being made.

    ``visitor``: somebody opened it by themselves, in a widget.
    """

    key: int
    id: str
    client_id: str
    tag: str | None
    person: str | None
    sealed_key: bytes
    extra_context: str | None
    context_location: str | None
    metadata: Mapping[str, str]
    token_count: int
    created_at: int
    expires_at: int
    last_message_at: int | None
    turn_id: str | None
    turn_until: int | None
    held_until: int | None
    held_by: str | None
    visitor: bool

    def is_held(self, now: int) -> bool:
        """Whether a person answers here in the agent's place."""
        return self.held_until is not None and self.held_until > now

    @property
    def external_user_id(self) -> str | None:
        """Who talks here, for tools and memories: the tag and a part that is this session's own; None without a tag."""
        return None if self.tag is None else f"{self.tag}@{self.id.replace('-', '')[-12:]}"


@dataclass(frozen=True, slots=True)
class SessionOverview:
    """A session with its access key and how much was said."""

    session: ChatSession
    access_key: str
    message_count: int


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that can be talked to: its client, and the owner in whose name the agent runs."""

    session: ChatSession
    client: ChatClient
    owner: Caller
    agent_id: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """Something said. ``key`` orders what was said in a session and is 0 before it is stored.

    ``author`` is the person who said it in the agent's place, None for the agent and the user.
    """

    key: int
    id: str
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]
    created_at: int
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[JsonObject, ...] = ()
    cancelled: bool = False
    author: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))
