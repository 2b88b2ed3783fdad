"""The whole of the settings, as one value."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from dragoman.kit.weights import default_folder
from dragoman.settings.agents import AgentsSettings
from dragoman.settings.channels import ChannelsSettings
from dragoman.settings.console import ConsoleSettings
from dragoman.settings.conversations import ConversationsSettings
from dragoman.settings.groups import (
    AivaxSettings,
    AskSageSettings,
    BootstrapSettings,
    ChatSettings,
    DatabaseSettings,
    EgressSettings,
    EmbeddingSettings,
    FilePath,
    Group,
    KnowledgeSettings,
    LogSettings,
    MediaSettings,
    ModelsSettings,
    PricesSettings,
    ServerSettings,
    WeightsSettings,
)
from dragoman.settings.labels import LabelsSettings
from dragoman.settings.limits import LimitsSettings
from dragoman.settings.machines import BlobsSettings, MachinesSettings
from dragoman.settings.making import HostingSettings, ImagesSettings
from dragoman.settings.mcp import McpSettings
from dragoman.settings.oidc import OidcSettings
from dragoman.settings.pages import PagesSettings
from dragoman.settings.plugins import PluginsSettings
from dragoman.settings.retention import RetentionSettings
from dragoman.settings.sandbox import SandboxSettings
from dragoman.settings.search import SearchSettings
from dragoman.settings.speech import SpeechSettings
from dragoman.settings.telemetry import TelemetrySettings
from dragoman.settings.tls import CertificatesSettings, TlsSettings
from dragoman.settings.voice import VoiceSettings


def default_data_dir() -> Path:
    """``dragoman`` in the user's data folder, by the XDG rules."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "dragoman"


class Settings(Group):
    """All settings, read once at the start."""

    data_dir: FilePath = Field(
        default_factory=default_data_dir,
        description="Folder for everything that is kept: database, files, keys.",
    )
    offline: bool = Field(
        default=False, description="Call nothing but this machine and what egress.allow lets through."
    )
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    blobs: BlobsSettings = BlobsSettings()
    machines: MachinesSettings = MachinesSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    egress: EgressSettings = EgressSettings()
    log: LogSettings = LogSettings()
    models: ModelsSettings = ModelsSettings()
    weights: WeightsSettings = WeightsSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    sandbox: SandboxSettings = SandboxSettings()
    chat: ChatSettings = ChatSettings()
    channels: ChannelsSettings = ChannelsSettings()
    conversations: ConversationsSettings = ConversationsSettings()
    retention: RetentionSettings = RetentionSettings()
    pages: PagesSettings = PagesSettings()
    console: ConsoleSettings = ConsoleSettings()
    oidc: OidcSettings = OidcSettings()
    tls: TlsSettings = TlsSettings()
    certificates: CertificatesSettings = CertificatesSettings()
    media: MediaSettings = MediaSettings()
    speech: SpeechSettings = SpeechSettings()
    voice: VoiceSettings = VoiceSettings()
    prices: PricesSettings = PricesSettings()
    limits: LimitsSettings = LimitsSettings()
    labels: LabelsSettings = LabelsSettings()
    search: SearchSettings = SearchSettings()
    images: ImagesSettings = ImagesSettings()
    hosting: HostingSettings = HostingSettings()
    agents: AgentsSettings = AgentsSettings()
    plugins: PluginsSettings = PluginsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    mcp: McpSettings = McpSettings()
    aivax: AivaxSettings = AivaxSettings()
    asksage: AskSageSettings = AskSageSettings()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.bootstrap.api_key is not None and self.bootstrap.email is None:
            raise ValueError("bootstrap.api_key needs bootstrap.email, the user who gets the key")
        if self.embedding.provider == "openai" and (
            self.embedding.base_url is None or self.embedding.model is None
        ):
            raise ValueError("embedding.provider openai needs embedding.base_url and embedding.model")
        if reserved := {"default", "local"} & set(self.embedding.others):
            raise ValueError(f"embedding.others.{min(reserved)}: this name is taken; choose another")
        if self.speech.synthesizer == "openai" and self.speech.tts_base_url is None:
            raise ValueError("speech.synthesizer openai needs speech.tts_base_url")
        if self.speech.transcriber == "openai" and self.speech.stt_base_url is None:
            raise ValueError("speech.transcriber openai needs speech.stt_base_url")
        if self.voice.public and self.voice.public_email is None:
            raise ValueError("voice.public needs voice.public_email, the user whose account pays")
        if self.voice.livekit_url is not None and not (
            self.voice.livekit_api_key and self.voice.livekit_api_secret
        ):
            raise ValueError("voice.livekit_url needs voice.livekit_api_key and voice.livekit_api_secret")
        if self.knowledge.passage_overlap_tokens >= self.knowledge.passage_tokens:
            raise ValueError("knowledge.passage_overlap_tokens must be less than knowledge.passage_tokens")
        return self

    @property
    def weights_dir(self) -> Path:
        """The folder of model files: as set, else the data folder's own, else the one beside the program."""
        own = self.data_dir / "weights"
        return self.weights.dir or (own if own.is_dir() else default_folder())

    @property
    def database_url(self) -> str | None:
        """The database's URL in clear; None for SQLite in the data folder."""
        return None if self.database.url is None else self.database.url.get_secret_value()

    @property
    def key_file(self) -> Path:
        """The file that holds the server's root key."""
        return self.machines.key_file or self.data_dir / "secret.key"

    @property
    def workspaces_dir(self) -> Path:
        """The folder of the workspaces that programs see as their home."""
        return self.machines.workspaces_dir or self.data_dir / "workspaces"
