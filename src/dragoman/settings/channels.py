"""Settings of conversations on messaging services."""

from pydantic import Field

from dragoman.settings.groups import Group, HttpUrl


class ChannelsSettings(Group):
    """Messaging services that chat clients answer on."""

    telegram_url: HttpUrl = Field(
        default="https://api.telegram.org", description="Address of Telegram's Bot API."
    )
    zapi_url: HttpUrl = Field(default="https://api.z-api.io", description="Address of Z-API.")
    kapso_url: HttpUrl = Field(default="https://api.kapso.ai", description="Address of Kapso.")
    timeout_seconds: int = Field(
        default=20, ge=1, le=300, description="Longest time for one call of a messaging service."
    )
    max_media_bytes: int = Field(
        default=25 * 1024**2, ge=1024, le=1024**3, description="Largest file taken from a messaging service."
    )
    max_attempts: int = Field(
        default=8, ge=1, le=100, description="Tries to send a message before it becomes a dead letter."
    )
    concurrency: int = Field(
        default=24,
        ge=1,
        le=1000,
        description="Conversations and planned messages worked on at the same time.",
    )
    takeover_seconds: int = Field(
        default=12 * 3600,
        ge=60,
        le=30 * 86_400,
        description="How long an agent keeps quiet after a person of the business spoke, unless released.",
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long messages that were dealt with are kept for telling apart.",
    )
