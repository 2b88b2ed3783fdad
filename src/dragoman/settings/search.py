"""Settings of what agents do on the web: searching it, and reading its pages."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from dragoman.settings.groups import Group, HttpUrl


class SearchSettings(Group):
    """Searching the web, and reading pages for agents."""

    provider: Literal["none", "searxng", "brave", "google", "duckduckgo"] = Field(
        default="none", description="Who searches the web for agents."
    )
    url: HttpUrl | None = Field(
        default=None, description="Address of the provider; needed for searxng, else the provider's own."
    )
    api_key: SecretStr | None = Field(default=None, description="Key for the provider: brave, google.")
    google_engine: str | None = Field(
        default=None, min_length=1, max_length=100, description="Id (cx) of the Programmable Search Engine."
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2}(-[A-Za-z]{2})?$",
        description="Language of results, as en or pt-br, where a search names none.",
    )
    seconds: int = Field(default=15, ge=1, le=120, description="Longest time for one search.")
    cache_seconds: int = Field(
        default=600, ge=0, le=86_400, description="For how long the results of a search are used again."
    )
    page_bytes: int = Field(
        default=5 * 1024**2, ge=1024, le=256 * 1024**2, description="Most bytes read of one page."
    )
    page_seconds: int = Field(default=20, ge=1, le=600, description="Longest time to read one page.")
    text_characters: int = Field(
        default=40_000, ge=1000, le=2_000_000, description="Most characters that a tool gives to the model."
    )
    x_token: SecretStr | None = Field(default=None, description="Bearer token of the X API, to search posts.")
    x_url: HttpUrl = Field(default="https://api.x.com/2", description="Address of the X API.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.provider == "searxng" and self.url is None:
            raise ValueError("provider searxng needs url, the address of a SearXNG server")
        if self.provider in ("brave", "google") and self.api_key is None:
            raise ValueError(f"provider {self.provider} needs api_key")
        if self.provider == "google" and self.google_engine is None:
            raise ValueError("provider google needs google_engine, the id of the search engine")
        return self
