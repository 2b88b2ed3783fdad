"""Settings of conversations in real time."""

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from dragoman.settings.groups import Group


def _socket_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ValueError("must be a ws://, wss://, http:// or https:// URL")
    return value.rstrip("/")


SocketUrl = Annotated[str, AfterValidator(_socket_url)]


def _named(name: str) -> str | None:
    return os.environ.get(name) or None


def _secret(name: str) -> SecretStr | None:
    value = _named(name)
    return None if value is None else SecretStr(value)


class VoiceSettings(Group):
    """Conversations in real time."""

    public: bool = Field(
        default=False, description="Give tokens without a key, on the account of voice.public_email."
    )
    public_email: str | None = Field(
        default=None, max_length=320, description="E-mail of the user whose account public tokens are for."
    )
    public_per_minute: int = Field(
        default=10, ge=1, le=100_000, description="Most public tokens in a minute for one address."
    )
    max_calls: int = Field(default=50, ge=1, le=10_000, description="Most conversations at the same time.")
    call_seconds: int = Field(
        default=6 * 3600, ge=10, le=7 * 86_400, description="Longest time that a conversation may take."
    )
    silence_seconds: int = Field(
        default=300, ge=5, le=86_400, description="A conversation in which nothing is said so long is ended."
    )
    answer_seconds: int = Field(
        default=30,
        ge=1,
        le=600,
        description="An agent apologises when its model, speech or transcript stays out for so long.",
    )
    idle_seconds: int = Field(
        default=900, ge=1, le=86_400, description="The process of conversations is let go after so long."
    )
    ice_servers: list[str] = Field(
        default_factory=list, description="STUN and TURN addresses that browsers and this server use."
    )
    livekit_url: SocketUrl | None = Field(
        default_factory=lambda: _named("LIVEKIT_URL"),
        description="Address of a LiveKit server; unset, LIVEKIT_URL, else conversations are held here.",
    )
    livekit_api_key: str | None = Field(
        default_factory=lambda: _named("LIVEKIT_API_KEY"),
        description="Key of that server; unset, LIVEKIT_API_KEY.",
    )
    livekit_api_secret: SecretStr | None = Field(
        default_factory=lambda: _secret("LIVEKIT_API_SECRET"),
        description="Secret of that key; unset, LIVEKIT_API_SECRET.",
    )
    agent_name: str = Field(
        default="dragoman", min_length=1, max_length=100, description="Name that rooms call this agent by."
    )
