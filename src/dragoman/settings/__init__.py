"""Settings: the only reader of the environment and the settings file."""

from dragoman.settings.fields import SettingField, every_field
from dragoman.settings.groups import (
    AivaxSettings,
    AskSageSettings,
    EmbeddingSettings,
    KnowledgeSettings,
    LocalModelSettings,
    ModelsSettings,
    ProviderSettings,
    ServerSettings,
)
from dragoman.settings.load import LoadedSettings, ShownSetting, load_settings
from dragoman.settings.model import Settings

__all__ = [
    "AivaxSettings",
    "AskSageSettings",
    "EmbeddingSettings",
    "KnowledgeSettings",
    "LoadedSettings",
    "LocalModelSettings",
    "ModelsSettings",
    "ProviderSettings",
    "ServerSettings",
    "SettingField",
    "Settings",
    "ShownSetting",
    "every_field",
    "load_settings",
]
