"""The kinds of provider there are, by the name that settings use."""

from collections.abc import Callable
from typing import TypeAlias

import httpx

from dragoman.adapters.models.upstream import Endpoint
from dragoman.domain.inference.ports import ChatModel
from dragoman.kit.registry import Registry

MakeModel: TypeAlias = Callable[[Endpoint, httpx.AsyncClient], ChatModel]

providers: Registry[MakeModel] = Registry("model provider")
