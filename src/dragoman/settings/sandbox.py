"""Settings of workspaces and of the programs that run in them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dragoman.kit.hosts import HostPatterns
from dragoman.settings.groups import Group


def _patterns(value: list[str]) -> list[str]:
    HostPatterns(value)
    return value


class SandboxSettings(Group):
    """Files of the people that agents work for, and the programs that agents run."""

    max_file_bytes: int = Field(
        default=100 * 1000**2, ge=1024, le=10 * 1024**3, description="Largest file in a workspace."
    )
    workspace_bytes: int = Field(
        default=1024**3, ge=4096, le=1024**4, description="Most bytes in one workspace."
    )
    backend: Literal["auto", "bubblewrap", "nsjail", "landlock", "simulated", "none"] = Field(
        default="auto",
        description="What programs run in; auto takes the best one that passes its self-test, none runs nothing.",
    )
    user_id: int = Field(
        default=65533,
        ge=1,
        le=2**31 - 1,
        description="User and group id that programs run as when the server is root; nobody else should have it.",
    )
    at_once: int = Field(default=8, ge=1, le=256, description="Most programs that run at the same time.")
    command_seconds: float = Field(default=30.0, gt=0, le=3600, description="Longest time for one program.")
    cpu_seconds: int = Field(default=30, ge=1, le=3600, description="Processor time for each process.")
    memory_mb: int = Field(
        default=1024, ge=64, le=1024 * 1024, description="Memory for all processes of one program together."
    )
    processes: int = Field(default=64, ge=4, le=4096, description="Most processes of one program.")
    network_allow: Annotated[list[str], AfterValidator(_patterns)] = Field(
        default=[],
        description="Hosts that programs may reach over HTTP(S), such as pypi.org or *.example.com; empty, none.",
    )
    script_seconds: float = Field(
        default=10.0, gt=0, le=300, description="Longest time for one evaluated JavaScript."
    )
    script_memory_mb: int = Field(
        default=128, ge=16, le=4096, description="Memory for the values of one JavaScript."
    )
    scripts_at_once: int = Field(
        default=2, ge=1, le=64, description="Most JavaScripts that run at the same time."
    )
