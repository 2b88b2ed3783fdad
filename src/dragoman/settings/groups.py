"""Every setting: its meaning, default and bounds. Sizes are in bytes, durations in seconds."""

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from dragoman.kit.addresses import AllowList
from dragoman.kit.peers import TrustedProxies


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _absolute(value: Path) -> Path:
    return value.expanduser().absolute()


def _allowed(value: list[str]) -> list[str]:
    AllowList.parse(value)
    return value


def _proxies(value: list[str]) -> list[str]:
    TrustedProxies.parse(value)
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
FilePath = Annotated[Path, AfterValidator(_absolute)]


class Group(BaseModel):
    """Settings that belong together; unknown names are errors and nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(Group):
    """Where the server listens."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: HttpUrl | None = Field(
        default=None, description="URL that clients see, when a proxy stands in front."
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="Bearer token for /metrics; unset, metrics are served to this machine only."
    )
    max_body_bytes: int = Field(
        default=32 * 1024**2, ge=1024, le=4 * 1024**3, description="Largest request body, uploads apart."
    )
    trusted_proxies: Annotated[list[str], AfterValidator(_proxies)] = Field(
        default_factory=list,
        description="Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    )


class DatabaseSettings(Group):
    """Where state is kept."""

    url: SecretStr | None = Field(
        default=None, description="postgresql:// URL; unset, a SQLite file in the data folder is used."
    )


class BootstrapSettings(Group):
    """The account that exists after the first start."""

    email: str | None = Field(
        default=None, max_length=320, description="E-mail of a user to create at start if absent."
    )
    api_key: SecretStr | None = Field(default=None, description="API key that this user gets.")


class EgressSettings(Group):
    """Which inner addresses may be called on a user's word."""

    allow: Annotated[list[str], AfterValidator(_allowed)] = Field(
        default_factory=list,
        description="Host names, *.names, addresses and networks to be called though not public, or offline.",
    )


class LogSettings(Group):
    """What is written to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="Least level that is written."
    )
    format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or for the eye."
    )


class ProviderSettings(Group):
    """A model provider reached over HTTP."""

    kind: Literal["openai_chat", "anthropic"] = Field(default="openai_chat", description="The API it speaks.")
    base_url: HttpUrl = Field(description="Its address, up to and with the version part.")
    api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    models: list[str] = Field(default_factory=list, description="Names of its models, as it calls them.")
    context_tokens: int | None = Field(
        default=None, ge=256, description="Context length of its models, if it is known."
    )
    outside: bool = Field(
        default=True, description="Whether data sent to it leaves the operator's own systems."
    )


class LocalModelSettings(Group):
    """The language model that runs on this machine."""

    enabled: bool = Field(default=True, description="Run it, when its package and weights are there.")
    gguf: FilePath | None = Field(
        default=None, description="Model file; unset, the demo model of the weights folder."
    )
    name: str | None = Field(
        default=None, min_length=1, max_length=100, description="Name it is listed under."
    )
    context_tokens: int = Field(
        default=8192, ge=512, le=1_048_576, description="Context length to load it with."
    )
    threads: int | None = Field(
        default=None, ge=1, le=512, description="Threads; unset, one less than there are cores."
    )
    idle_seconds: int = Field(
        default=600, ge=0, description="Unload it after so long without use; 0 keeps it loaded."
    )

    @property
    def thread_count(self) -> int:
        """``threads``, or one less than there are cores: with all of them, decoding and the server starve
        each other.
        """
        return self.threads or max(1, (os.cpu_count() or 1) - 1)


class ModelsSettings(Group):
    """Language models."""

    default: str = Field(
        default="", description="Model for requests that name none; empty takes the best there is."
    )
    providers: dict[str, ProviderSettings] = Field(default_factory=dict, description="Providers by name.")
    aliases: dict[str, str] = Field(default_factory=dict, description="Further names of models.")
    fallbacks: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Models, by the name of another, that answer in this order when it fails before it has said anything.",
    )
    local: LocalModelSettings = LocalModelSettings()
    extractive_for_grounded: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Answer from documents by quoting them; auto: when the demo model is all there is.",
    )


class WeightsSettings(Group):
    """Model files."""

    dir: FilePath | None = Field(
        default=None, description="Folder of model files; unset, the data folder's own, else the program's."
    )


class OtherEmbedderSettings(Group):
    """A further embedder, over an OpenAI-compatible API."""

    base_url: HttpUrl = Field(description="Address of the API, with its version part.")
    model: str = Field(min_length=1, description="Model asked of the API.")
    api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    dimensions: int | None = Field(
        default=None, ge=8, le=8192, description="Vector length, if other than the model's own."
    )
    outside: bool = Field(
        default=True, description="Whether texts sent to it leave the operator's own systems."
    )


class EmbeddingSettings(Group):
    """What turns passages into vectors."""

    provider: Literal["local", "openai", "none"] = Field(
        default="local", description="On this machine, over an OpenAI-compatible API, or keyword search only."
    )
    base_url: HttpUrl | None = Field(default=None, description="Address of the API, with its version part.")
    api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    model: str | None = Field(default=None, description="Model asked of the API.")
    dimensions: int | None = Field(
        default=None, ge=8, le=8192, description="Vector length, if other than the model's own."
    )
    outside: bool = Field(
        default=True,
        description="Whether texts sent to the API leave the operator's own systems; never so for the local one.",
    )
    query_threads: int = Field(default=1, ge=1, le=64, description="Threads for embedding a question.")
    ingest_threads: int = Field(default=2, ge=1, le=64, description="Threads for embedding documents.")
    others: dict[str, OtherEmbedderSettings] = Field(
        default_factory=dict,
        description="Further embedders by name: for single collections, or to answer until another has taken over.",
    )


class KnowledgeSettings(Group):
    """Reading, cutting and finding documents."""

    max_upload_bytes: int = Field(
        default=262_144_000, ge=1024, le=10 * 1024**3, description="Largest file to be uploaded."
    )
    max_import_lines: int = Field(
        default=100_000, ge=1, le=10_000_000, description="Most documents in one import."
    )
    parse_timeout_seconds: int = Field(
        default=300, ge=1, le=86_400, description="Longest time to read one file."
    )
    parse_memory_mb: int = Field(
        default=1536, ge=128, le=1_048_576, description="Most memory to read one file, in MiB."
    )
    max_pages: int = Field(default=5000, ge=1, le=1_000_000, description="Most pages of one file.")
    max_unzip_bytes: int = Field(
        default=1024**3, ge=1024, description="Most bytes that an archive may unpack to."
    )
    max_unzip_ratio: int = Field(
        default=200, ge=1, description="Most times its own size that an archive may unpack to."
    )
    max_unzip_members: int = Field(default=2000, ge=1, description="Most files in an archive.")
    passage_tokens: int = Field(
        default=200, ge=32, le=4096, description="Length of a passage that is aimed at."
    )
    passage_overlap_tokens: int = Field(
        default=30, ge=0, le=1024, description="Tokens that neighbouring passages share."
    )
    ingest_concurrency: int = Field(default=2, ge=1, le=64, description="Documents read at the same time.")
    rerank: bool = Field(
        default=False, description="Let the reranker have a say in the order of passages found."
    )


class ModelPriceSettings(Group):
    """What a model's tokens cost, in US dollars for a million."""

    input: float = Field(default=0, ge=0, le=1_000_000, description="Price of a million input tokens.")
    output: float = Field(default=0, ge=0, le=1_000_000, description="Price of a million output tokens.")
    cached: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Price of a million cached input tokens; unset, as input.",
    )


class PricesSettings(Group):
    """What use costs, in US dollars; what has no price is free."""

    models: dict[str, ModelPriceSettings] = Field(
        default_factory=dict, description="Prices by name, of models and of the embedder."
    )
    uses: dict[str, float] = Field(
        default_factory=dict, description="Price of one use by item, as tools.web_search."
    )


class MediaSettings(Group):
    """Pictures, sound and files as text, for models that read text only."""

    vision_model: str = Field(
        default="", description="Model that describes pictures; empty, their text is read by OCR."
    )
    fetch_bytes: int = Field(
        default=20 * 1024**2, ge=1024, le=1024**3, description="Largest file fetched from an address."
    )
    fetch_seconds: int = Field(
        default=20, ge=1, le=600, description="Longest time to fetch a file from an address."
    )


class ChatSettings(Group):
    """Chat completions."""

    ping_seconds: float = Field(
        default=15, ge=0.05, le=3600, description="Silence in a stream after which a ping is sent."
    )
    keep_expired_days: int = Field(
        default=30,
        ge=0,
        le=36_500,
        description="Days that an expired chat session and its messages are kept.",
    )


class AivaxSettings(Group):
    """The AIVAX dialect."""

    response_envelope: Literal["bare", "wrapped"] = Field(
        default="bare", description="Whether answers come as they are or as {message, data}."
    )
    show_integration_secrets: bool = Field(
        default=False, description="Show the secrets of chat integrations in full instead of their end."
    )


class AskSageSettings(Group):
    """The Ask Sage dialect."""

    auth_error_status: Literal[400, 401] = Field(
        default=400, description="Status for a missing or wrong credential."
    )
    cui_requires_cac: bool = Field(default=True, description="Let only smart-card users at controlled data.")
    cac_users: list[str] = Field(
        default_factory=list, description="E-mails of those who are known to use a smart card."
    )
    error_mode: Literal["status", "body"] = Field(
        default="status", description="body: errors come with HTTP 200 and tell their status in the body."
    )
