"""The application with a language model that plays a script, for answers that quoting cannot give."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in

from dragoman.adapters.models.extractive import ExtractiveModel
from dragoman.adapters.models.scripted import Script, ScriptedModel, Turn
from dragoman.bootstrap import knowing
from dragoman.bootstrap.models import Models
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.ports import ModelProfile
from dragoman.kit.egress import EgressPolicy
from dragoman.settings import Settings


@dataclass
class Scripted:
    """The application and the model that answers by default."""

    app: InProcess
    model: ScriptedModel


@asynccontextmanager
async def scripted_app(
    folder: Path,
    patch: pytest.MonkeyPatch,
    turns: Sequence[Turn] | Script = (),
    *,
    context_tokens: int = 16_000,
    **groups: Any,
) -> AsyncGenerator[Scripted]:
    """The application whose default model says these turns, then repeats what it is asked."""
    model = ScriptedModel("scripted", turns, profile=ModelProfile(context_tokens=context_tokens))

    def catalogue(
        settings: Settings, policy: EgressPolicy, extractive: ExtractiveModel, stack: AsyncExitStack
    ) -> tuple[Catalogue, Models]:
        models = Models(by_name={"scripted": model, "extractive": extractive})
        return Catalogue(models.by_name, "scripted", "extractive"), models

    patch.setattr(knowing, "open_catalogue", catalogue)
    async with in_process(settings_in(folder, **groups)) as app:
        yield Scripted(app, model)
