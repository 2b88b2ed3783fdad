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
    questions_burst: int = Field(
        default=20, ge=1, le=100_000, description="Questions that one address may ask at once in widgets."
    )
    questions_seconds: float = Field(
        default=3.0, gt=0, le=86_400, description="Seconds after which an address may ask one more."
    )
    client_questions_burst: int = Field(
        default=300,
        ge=1,
        le=1_000_000,
        description="Questions that all visitors of a widget may ask at once.",
    )
    client_questions_seconds: float = Field(
        default=0.2,
        gt=0,
        le=86_400,
        description="Seconds after which the visitors of a widget may ask one more.",
    )
    upload_bytes: int = Field(
        default=50 * 1024**2,
        ge=1024,
        le=512 * 1024**2,
        description="Largest file that is attached in a chat.",
    )
    upload_session_bytes: int = Field(
        default=200 * 1024**2,
        ge=1024,
        le=4 * 1024**3,
        description="Most bytes of all files of one chat session.",
    )
    upload_session_files: int = Field(
        default=50, ge=0, le=1000, description="Most files of one chat session; 0 = none may be attached."
    )
    client_questions_per_day: int = Field(
        default=5000,
        ge=0,
        le=10**9,
        description="Questions of a widget's visitors on one day (UTC); 0 = no bound.",
    )
