"""How a client stands with a messaging service. Times are in milliseconds."""

from dataclasses import dataclass

from dragoman.domain.chat.model import Channel


@dataclass(frozen=True, slots=True)
class HookCalls:
    """The latest calls of a service: one that was taken, and one that was refused and why."""

    called_at: int | None = None
    refused_at: int | None = None
    refused_why: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The latest messages, and what waits: to be sent after a failure (``failure`` says which), given up, not answered."""

    received_at: int | None
    sent_at: int | None
    waiting: int
    failure: str | None
    dead: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A client on a messaging service."""

    channel: Channel
    calls: HookCalls
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a played conversation; ``state`` is that of a received message or a piece on its way out.

    ``filename`` is that of a picture or file that the agent sends.
    """

    id: str
    role: str
    text: str
    state: str
    error: str | None
    at: int
    filename: str | None = None
