"""Settings of limits on requests, tokens and money."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from dragoman.settings.groups import Group


class LimitsSettings(Group):
    """Limits on requests, tokens and money."""

    time_zone: str = Field(
        default="UTC", description="Time zone in which days and months begin, as Europe/Berlin."
    )
    answer_tokens: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Tokens reserved for an answer whose request does not say how long it may be.",
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one as Europe/Berlin") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)
