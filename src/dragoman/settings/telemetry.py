"""Settings of what is told to other systems."""

import os

from pydantic import Field

from dragoman.settings.groups import Group, HttpUrl

_STANDARD = "OTEL_EXPORTER_OTLP_ENDPOINT"


class TelemetrySettings(Group):
    """Traces of agents for an OpenTelemetry collector."""

    endpoint: HttpUrl | None = Field(
        default=None,
        description=f"OTLP address over HTTP that runs are sent to; unset, {_STANDARD} is used, and without it nothing.",
    )
    service_name: str = Field(
        default="dragoman", min_length=1, max_length=100, description="Name of this server in traces."
    )

    @property
    def collector(self) -> str | None:
        """The address in force."""
        return self.endpoint or os.environ.get(_STANDARD, "").rstrip("/") or None
