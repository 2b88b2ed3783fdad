"""People on messaging services and messages from and to them, as they are kept. Times are in milliseconds."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.channels.ports import MediaRef, MediaType, OutgoingMedia
from dragoman.domain.chat.model import Channel, ChatClient, Integration

# The address of the contact whom the owner of a client plays; no service has such a one.
SIMULATED = "0"

# Answers to people and by schedules are agents' words, and Markdown; notices are ours.
OutgoingSource: TypeAlias = Literal["answer", "person", "schedule", "notice"]


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody on a messaging service. While ``held_until`` lies ahead a person of the business answers, named by ``held_by``."""

    key: int
    id: str
    client_id: str
    channel: Channel
    address: str
    name: str | None
    session_id: str | None
    held_until: int | None
    held_by: str | None
    last_inbound_at: int | None
    created_at: int

    @property
    def tag(self) -> str:
        """The tag of the contact's sessions, by which memories and workspaces know the person too."""
        return f"{self.channel}:{self.address}"

    @property
    def simulated(self) -> bool:
        """Whether the client's owner plays this contact: nothing goes to the service."""
        return self.address == SIMULATED


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in; ``state`` is ``waiting``, ``asked``, ``done`` or ``failed``."""

    key: int
    contact_key: int
    message_id: str
    text: str
    media: tuple[MediaRef, ...]
    sent_at: int
    received_at: int
    state: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """A piece on its way out; ``state`` is ``queued``, ``sending``, ``sent`` or ``dead``.

    ``cause`` is the id of what made the agent speak by itself.
    """

    key: int
    id: str
    contact_key: int
    source: OutgoingSource
    cause: str | None
    text: str
    audio: str | None
    mime: str | None
    media: OutgoingMedia | None
    state: str
    attempts: int
    tried_at: int | None
    message_id: str | None
    error: str | None
    created_at: int
    sent_at: int | None

    @property
    def markdown(self) -> bool:
        """Whether the text is an agent's."""
        return self.source in ("answer", "schedule")


@dataclass(frozen=True, slots=True)
class Unsent:
    """A piece that was given up, as it is shown: of media only what they are."""

    id: str
    text: str
    media_kind: MediaType | None
    filename: str | None
    attempts: int
    error: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Place:
    """A client's integration, with the owner in whose name the client answers."""

    client: ChatClient
    owner: Caller
    integration: Integration
