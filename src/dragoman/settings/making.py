"""Settings of what agents make: pictures, and files that are kept at public addresses."""

from pydantic import Field, SecretStr

from dragoman.settings.groups import Group, HttpUrl


class ImagesSettings(Group):
    """Making pictures, over any address that speaks OpenAI's images API."""

    base_url: HttpUrl | None = Field(
        default=None, description="Address of the images API, up to and with the version part."
    )
    api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    model: str | None = Field(
        default=None, min_length=1, max_length=200, description="Model asked of it where an agent names none."
    )
    size: str | None = Field(
        default=None,
        pattern=r"^(\d+x\d+|auto)$",
        description="Size asked of it, as 1024x1024; unset, its own.",
    )
    seconds: int = Field(default=110, ge=1, le=600, description="Longest time to make pictures.")


class HostingSettings(Group):
    """Files and pages that agents make, at public addresses that cannot be guessed."""

    days: int = Field(default=90, ge=1, le=3650, description="Days for which they are kept.")
    user_bytes: int = Field(
        default=1024**3,
        ge=1024**2,
        le=1024**4,
        description="Most bytes that one user's may take up together.",
    )
