"""Settings of MCP: which tool servers are called, and how long is waited for them."""

from pydantic import Field

from dragoman.settings.groups import Group, HttpUrl


class McpSettings(Group):
    """Tool servers of the Model Context Protocol."""

    commands: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Programs that may be started as MCP servers: their words by name; addressed as stdio:NAME.",
    )
    whitelist: dict[str, HttpUrl] = Field(
        default_factory=dict,
        description="The only MCP servers that users may call: addresses by name; empty allows any public one.",
    )
    connect_seconds: float = Field(
        default=3, gt=0, le=60, description="Longest time an answer waits for a server's list of tools."
    )
    call_seconds: float = Field(
        default=60, gt=0, le=600, description="Longest time a tool of an MCP server may take."
    )
    max_answer_bytes: int = Field(
        default=8 * 1024**2, ge=1024, le=256 * 1024**2, description="Largest answer of an MCP server."
    )
