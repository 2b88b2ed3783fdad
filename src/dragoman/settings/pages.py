"""Settings of the pages that people see."""

from pydantic import Field

from dragoman.settings.groups import Group


class PagesSettings(Group):
    """The chat page and the widget."""

    session_seconds: int = Field(
        default=86_400, ge=600, le=90 * 86_400, description="How long a session lasts that the widget opens."
    )
    sessions_burst: int = Field(
        default=10, ge=1, le=10_000, description="Sessions that one address may open at once in the widget."
    )
    sessions_seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="Seconds after which an address may open one more."
    )
