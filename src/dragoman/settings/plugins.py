"""Settings of plugins."""

from pydantic import Field

from dragoman.settings.groups import Group


class PluginsSettings(Group):
    """Ready-made pieces of work: summaries, charts, SQL over files."""

    allowed: list[str] = Field(default_factory=list, description="Names of those on offer; empty, all are.")
    organisations: dict[str, list[str]] = Field(
        default_factory=dict, description="What an organisation is offered instead, by its name or id."
    )
    paid_only: list[str] | None = Field(
        default=None, description="Names of those for paying users only; unset, as the plugins say."
    )
    query_seconds: int = Field(
        default=30, ge=1, le=3600, description="Longest time for one question to a table, in seconds."
    )
    memory_mb: int = Field(
        default=768,
        ge=256,
        le=65_536,
        description="Most memory of a process that draws or asks tables, in MiB.",
    )
    link_seconds: float = Field(
        default=15, ge=1, le=120, description="Longest wait for one link that is checked."
    )
