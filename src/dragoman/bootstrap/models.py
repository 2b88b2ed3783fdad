"""The catalogue of models, from the settings and from what is installed here."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import httpx

from dragoman.adapters.models.anthropic import AnthropicModel
from dragoman.adapters.models.extractive import ExtractiveModel
from dragoman.adapters.models.local import LocalModel
from dragoman.adapters.models.openai_chat import OpenAIChatModel
from dragoman.adapters.models.upstream import Endpoint
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.ports import ChatModel, ModelProfile
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.weights import SMOLLM2, locate
from dragoman.settings import ProviderSettings, Settings

EXTRACTIVE = "extractive"
_DEMO = "smollm2-135m-instruct"
_PROVIDERS = {"openai_chat": OpenAIChatModel, "anthropic": AnthropicModel}
_ANSWER_SECONDS = 600.0
_ANSWER_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Models:
    """The models found, who runs each, what could not be used and why, and which can be relayed to."""

    by_name: dict[str, ChatModel] = field(default_factory=dict[str, ChatModel])
    owners: dict[str, str] = field(default_factory=dict[str, str])
    unavailable: dict[str, str] = field(default_factory=dict[str, str])
    relayed: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint])


def _endpoint(name: str, provider: ProviderSettings) -> Endpoint:
    profile = ModelProfile(outside=provider.outside)
    if provider.context_tokens is not None:
        profile = replace(profile, context_tokens=provider.context_tokens)
    key = provider.api_key.get_secret_value() if provider.api_key is not None else None
    return Endpoint(name=name, model=name, base_url=provider.base_url, key=key, profile=profile)


def _client(policy: EgressPolicy, stack: AsyncExitStack) -> httpx.AsyncClient:
    client = guarded_client(policy, timeout_seconds=_ANSWER_SECONDS, max_bytes=_ANSWER_BYTES)
    stack.push_async_callback(client.aclose)
    return client


def _add_providers(models: Models, settings: Settings, policy: EgressPolicy, stack: AsyncExitStack) -> None:
    for owner, provider in settings.models.providers.items():
        client = _client(policy, stack)
        for name in provider.models:
            if name in models.by_name:
                raise InvalidInput(f"Two providers have a model {name!r}: leave it out of one of them.")
            endpoint = _endpoint(name, provider)
            models.by_name[name] = _PROVIDERS[provider.kind](endpoint, client)
            models.owners[name] = owner
            if provider.kind == "openai_chat":
                models.relayed[name] = endpoint


def _local_model(settings: Settings) -> LocalModel:
    local = settings.models.local
    if find_spec("xllamacpp") is None:
        raise Unavailable("the Python package 'xllamacpp' is not installed: install dragoman[local]")
    if local.gguf is None:
        path, sha256, name = locate(settings.weights_dir, SMOLLM2), SMOLLM2.sha256, local.name or _DEMO
    else:
        if not local.gguf.is_file():
            raise Unavailable(f"there is no file {local.gguf}")
        path, sha256, name = local.gguf, None, local.name or local.gguf.stem
    return LocalModel(
        name,
        model_path=Path(path),
        sha256=sha256,
        demo=local.gguf is None,
        context_tokens=local.context_tokens,
        idle_seconds=local.idle_seconds,
        threads=local.thread_count,
    )


def _add_local(models: Models, settings: Settings, stack: AsyncExitStack) -> None:
    local = settings.models.local
    if not local.enabled:
        return
    try:
        model = _local_model(settings)
    except Unavailable as error:
        name = local.name or (local.gguf.stem if local.gguf else _DEMO)
        models.unavailable[name] = error.detail
        return
    stack.push_async_callback(model.close)
    models.by_name[model.name] = model


def _default(models: Models, settings: Settings) -> str:
    """The operator's choice, else the first model that is not for trying out, else the local one, else quotes."""
    wanted = settings.models.default
    if wanted:
        return wanted
    real = [name for name, model in models.by_name.items() if not model.profile.demo]
    return (real or list(models.by_name) or [EXTRACTIVE])[0]


def open_catalogue(
    settings: Settings, policy: EgressPolicy, extractive: ExtractiveModel, stack: AsyncExitStack
) -> tuple[Catalogue, Models]:
    """The catalogue and what it was made of; what needs closing is given to the stack.

    Raises:
        InvalidInput: the settings name a model that is not there, or one twice.
    """
    models = Models()
    _add_providers(models, settings, policy.for_operator(), stack)
    _add_local(models, settings, stack)
    default = _default(models, settings)
    models.by_name[EXTRACTIVE] = extractive
    if default not in models.by_name:
        known = ", ".join(sorted(models.by_name))
        raise InvalidInput(f"models.default is {default!r}, which is no model here; models here: {known}.")
    try:
        catalogue = Catalogue(
            models.by_name,
            default,
            EXTRACTIVE,
            settings.models.aliases,
            grounded=settings.models.extractive_for_grounded,
            owners=models.owners,
            unavailable=models.unavailable,
            fallbacks=settings.models.fallbacks,
        )
    except ValueError as error:
        raise InvalidInput(f"models.aliases or models.fallbacks: {error}.") from error
    for name in settings.models.fallbacks:
        # What is passed through cannot be asked of another.
        models.relayed.pop(name, None)
    return catalogue, models


class EndpointModels:
    """Models at addresses that users give, called through the egress guard by one client for all."""

    def __init__(self, policy: EgressPolicy, stack: AsyncExitStack) -> None:
        self._client = _client(policy, stack)

    def __call__(self, base_url: str, model: str, key: str | None, name: str) -> ChatModel:
        """The model at that address."""
        endpoint = Endpoint(
            name=name, model=model, base_url=base_url, key=key, profile=ModelProfile(outside=True)
        )
        return OpenAIChatModel(endpoint, self._client)
