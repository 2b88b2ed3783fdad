"""Settings of a server that runs as several processes, maybe on several machines."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from dragoman.settings.groups import FilePath, Group, HttpUrl

_SCHEMES = ("s3", "s3a", "gs", "az", "adl", "abfs", "abfss", "azure", "file", "memory")


def _store_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _SCHEMES or not (rest or scheme == "memory"):
        raise ValueError(
            "must be an address such as s3://bucket/folder, gs://bucket or az://account/container"
        )
    return value


class BlobsSettings(Group):
    """Where files are kept: documents as they came, and what agents made."""

    url: Annotated[str, AfterValidator(_store_url)] | None = Field(
        default=None,
        description="Object store, as s3://bucket/folder, gs:// or az://; unset, a folder of the data folder.",
    )
    endpoint: HttpUrl | None = Field(
        default=None, description="Address of an S3-compatible store that is not Amazon's."
    )
    region: str = Field(default="us-east-1", min_length=1, description="Region of an S3 store.")
    access_key_id: str | None = Field(
        default=None,
        description="Key of an S3 store; unset, the environment's AWS_... or the machine's role.",
    )
    secret_access_key: SecretStr | None = Field(default=None, description="Secret that belongs to the key.")
    options: dict[str, SecretStr] = Field(
        default_factory=dict, description="Further options of the store, such as google_service_account."
    )


class MachinesSettings(Group):
    """One server as several processes over one database."""

    work: bool = Field(
        default=True,
        description="Let dragoman serve carry out background work; off, dragoman work does it elsewhere.",
    )
    work_port: int = Field(
        default=8081, ge=0, le=65535, description="Port where dragoman work tells its health and metrics."
    )
    key_file: FilePath | None = Field(
        default=None,
        description="File of the root key, the same on every machine; unset, secret.key in the data folder.",
    )
    workspaces_dir: FilePath | None = Field(
        default=None,
        description="Folder of workspaces, on many machines one that all of them mount; unset, in the data folder.",
    )
    drain_seconds: float | None = Field(
        default=None,
        ge=0,
        le=600,
        description="Time between SIGTERM and the end of listening, in which /health/ready says no; unset, 5 with "
        "PostgreSQL and 0 with SQLite.",
    )
    grace_seconds: int = Field(
        default=10, ge=1, le=3600, description="Longest time that answers under way get to end at a stop."
    )
