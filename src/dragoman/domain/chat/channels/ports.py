"""What a messaging service is to the conversations on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from dragoman.domain.chat.model import Integration

MediaType: TypeAlias = Literal["image", "audio", "video", "document"]


@dataclass(frozen=True, slots=True)
class Hook:
    """A call of a messaging service: its headers, names in lower case, and its body as it came."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class MediaRef:
    """Media of a message, to be fetched later: an address, or the service's own name for it."""

    kind: MediaType
    reference: str
    mime: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as the service tells it.

    ``message_id`` is the service's own. ``address`` is where an answer goes: a chat, a phone number. ``from_business``: the
    business itself wrote it, by us or from its own telephone. ``sent_at`` is in milliseconds.
    """

    message_id: str
    address: str
    text: str
    sent_at: int
    from_business: bool = False
    name: str | None = None
    media: tuple[MediaRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """Media as they were fetched."""

    data: bytes
    mime: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMedia:
    """A picture, a film, a recording or a file on its way out.

    ``reference`` is its address, or a ``data:`` URL. ``data`` is its content, where that is at hand; without it the service
    gets the file from the address.
    """

    kind: MediaType
    reference: str
    filename: str
    mime: str | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One piece of what is sent: a text, sound with its media type, or other media with the text as their caption.

    ``markdown``: the text is an agent's, and its signs mean something; others are sent as they are.
    """

    text: str
    audio: bytes | None = None
    mime: str | None = None
    media: OutgoingMedia | None = None
    markdown: bool = False


@dataclass(frozen=True, slots=True)
class HookCheck:
    """What a service says of its calls: where it calls, None for nowhere, and what went wrong with the latest one."""

    url: str | None
    problem: str | None = None


class ChannelAdapter(Protocol):
    """A messaging service.

    ``longest_text`` is the most characters of one message, ``piece_length`` how long pieces of a split answer are at most.
    Failures of the service are ``ProviderError`` (whether to try again is told by ``retryable`` and ``retry_after_seconds``).
    """

    @property
    def longest_text(self) -> int: ...

    @property
    def piece_length(self) -> int: ...

    def written(self, text: str) -> str:
        """A piece of an answer, which is Markdown, as the service writes such things; what ``send`` is given."""
        ...

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        """Makes sure that the call comes from the service; ``secret`` is the one that stands in the hook's address.

        Raises:
            Unauthenticated: it does not prove so.
        """
        ...

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        """The messages of people in the call; groups, statuses and other events are none.

        Raises:
            InvalidInput: the body is not what the service sends.
        """
        ...

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        """Tells the service where to call, where it can be told; gives a sentence for the operator."""
        ...

    async def disconnect(self, integration: Integration) -> bool:
        """Tells the service to call nowhere any more; False where it cannot be told."""
        ...

    async def check(self, integration: Integration) -> HookCheck | None:
        """Where the service says that it calls; None when it cannot be asked."""
        ...

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        """Sends one piece; gives the service's id of it."""
        ...

    async def typing(self, integration: Integration, address: str) -> None:
        """Shows for some seconds that somebody writes."""
        ...

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        """The media of a message."""
        ...
