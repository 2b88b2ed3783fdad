"""Settings of the console."""

from pydantic import Field

from dragoman.settings.groups import Group


class ConsoleSettings(Group):
    """The operator's console."""

    enabled: bool = Field(default=True, description="Serve the console at /console.")
    session_hours: int = Field(
        default=168, ge=1, le=90 * 24, description="Hours after which a session of the console ends."
    )
    unused_hours: int = Field(
        default=24,
        ge=1,
        le=90 * 24,
        description="Hours after which a session of the console ends that nobody uses.",
    )
    setup_link_minutes: int = Field(
        default=30,
        ge=1,
        le=7 * 24 * 60,
        description="Minutes for which a link holds that lets a user set a password.",
    )
    operators: str | None = Field(
        default=None,
        min_length=1,
        description="Name or id of the organisation whose administrators look after the server itself; unset, the oldest.",
    )
