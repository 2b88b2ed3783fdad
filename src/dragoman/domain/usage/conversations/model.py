"""A conversation as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dragoman.domain.messages.parts import Message
from dragoman.kit.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a call before it is answered.

    Args:
        origin: the way in by which it came.
        conversation: what was said so far.
        key: the caller's own name for the conversation.
        tools, response_schema: what the model was given beside the messages.
    """

    origin: str
    conversation: tuple[Message, ...]
    model: str
    agent_id: str | None = None
    key: str | None = None
    end_user: str | None = None
    request_id: str | None = None
    tools: tuple[JsonObject, ...] = ()
    response_schema: JsonObject | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """What lists show. Times are in milliseconds since 1970."""

    id: str
    origin: str
    model: str
    preview: str
    tokens: int
    agent_id: str | None
    api_key_id: str | None
    end_user: str | None
    error: str | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole conversation. ``usage`` counts the last call, ``asked_with`` holds its tools and schema, ``calls`` is how many
    there were.
    """

    id: str
    origin: str
    model: str
    preview: str
    tokens: int
    agent_id: str | None
    api_key_id: str | None
    end_user: str | None
    error: str | None
    created_at: int
    updated_at: int
    key: str | None
    request_id: str | None
    usage: Mapping[str, int]
    asked_with: Mapping[str, JsonValue]
    collections: tuple[str, ...]
    messages: tuple[JsonObject, ...]
    metadata: Mapping[str, JsonValue]
    calls: int


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations; all that is given must hold. ``text`` is contained in preview, model, user or id."""

    since: int | None = None
    text: str | None = None
    agent_id: str | None = None
    model: str | None = None
    end_user: str | None = None
    api_key_id: str | None = None
    limit: int = 1000
    offset: int = 0
