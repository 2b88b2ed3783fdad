"""The chat models there are, and which of them a name means."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from dragoman.domain.inference.aliases import BUILT_IN
from dragoman.domain.inference.ports import ChatModel
from dragoman.kit.errors import NotFound, Unavailable
from dragoman.kit.suggest import did_you_mean

GroundedPolicy: TypeAlias = Literal["auto", "always", "never"]

DEFAULT_NAME = "default"
_VENDOR = re.compile(r"^@?[a-z0-9_.-]+/")
_DATED = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest|preview)$")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One line of a list of models.

    ``in_force``: answers when no model is named. ``grounded``: answers questions about documents in its
    stead.
    """

    name: str
    owner: str
    in_force: bool
    grounded: bool
    demo: bool
    unavailable: str | None = None


class Catalogue:
    """Names to models. Built once at start.

    Args:
        models: by their names.
        default: name of the model that aliases and unnamed requests get.
        grounded_default: name of the quoting model, if there is one.
        aliases: the operator's further names, each for a model's name or ``default``.
        grounded: when the quoting model answers questions about documents: ``auto`` = while the model meant
        is for
            demonstration only and was not asked for by its own name.
        owners: who runs a model, for lists; ``dragoman`` unless given.
        unavailable: models that are configured but cannot be used, with the reason.
        fallbacks: for a model's name those of models that answer when it fails, in their order.
        since: seconds since 1970 that lists give as a model's date.
    """

    def __init__(
        self,
        models: Mapping[str, ChatModel],
        default: str,
        grounded_default: str | None = None,
        aliases: Mapping[str, str] = _NOTHING,
        *,
        grounded: GroundedPolicy = "auto",
        owners: Mapping[str, str] = _NOTHING,
        unavailable: Mapping[str, str] = _NOTHING,
        fallbacks: Mapping[str, Sequence[str]] = _NONE,
        since: int | None = None,
    ) -> None:
        self._models = dict(models)
        self._default = default
        self._grounded_default = grounded_default
        self._policy: GroundedPolicy = grounded
        self._owners = dict(owners)
        self._unavailable = {name: why for name, why in unavailable.items() if name not in self._models}
        self.since = int(time.time()) if since is None else since
        for name in (default, grounded_default):
            if name is not None and name not in self._models:
                raise ValueError(
                    f"the catalogue has no model {name!r}; it has {', '.join(sorted(self._models))}"
                )
        self._exact = {name.casefold(): name for name in self._models}
        self._aliases = self._checked(aliases)
        self._fallbacks = self._others(fallbacks)

    def _checked(self, aliases: Mapping[str, str]) -> dict[str, str]:
        """Alias to model name, the operator's before the built-in ones."""
        table: dict[str, str] = {}
        for alias, target in aliases.items():
            name = self._default if target.casefold() == DEFAULT_NAME else target
            if name not in self._models and name not in self._unavailable:
                raise ValueError(
                    f"alias {alias!r} stands for {target!r}, which is no model"
                    + did_you_mean(target, self._models)
                )
            table[alias.casefold()] = name
        for alias in BUILT_IN:
            table.setdefault(alias, self._default)
        return table

    def _others(self, fallbacks: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        known = self._models.keys() | self._unavailable.keys()
        for name in (name for first, others in fallbacks.items() for name in (first, *others)):
            if name not in known:
                raise ValueError(
                    f"a fallback names {name!r}, which is no model{did_you_mean(name, self._models)}"
                )
        return {
            first: tuple(name for name in dict.fromkeys(others) if name in self._models and name != first)
            for first, others in fallbacks.items()
        }

    def fallbacks(self, model: ChatModel) -> tuple[ChatModel, ...]:
        """The models that answer when this one of the catalogue fails, in their order."""
        if self._models.get(model.name) is not model:
            return ()
        return tuple(self._models[name] for name in self._fallbacks.get(model.name, ()))

    def default(self) -> ChatModel:
        """The model that answers when none is named."""
        return self._models[self._default]

    def resolve(self, name: str) -> ChatModel:
        """The model a name means: its own name, an alias, either with a vendor before or a date behind.

        Raises:
            NotFound: no model and no alias; ``code`` is ``model_not_found``, the sentence lists the models.
            Unavailable: a model that is configured but cannot be used, and why.
        """
        meant = self._meant(name)
        if meant is None:
            known = ", ".join(sorted(self._models))
            raise NotFound(
                f"There is no model {name!r}{did_you_mean(name, self._models) or '.'} Models here: {known}.",
                param="model",
                code="model_not_found",
            )
        if meant in self._unavailable:
            raise Unavailable(
                f"The model {meant!r} cannot be used: {self._unavailable[meant]}", param="model"
            )
        return self._models[meant]

    def _meant(self, name: str) -> str | None:
        asked = name.strip().casefold()
        if asked in ("", DEFAULT_NAME):
            return self._default
        bare = _VENDOR.sub("", asked)
        spellings = tuple(dict.fromkeys((asked, bare, _DATED.sub("", asked), _DATED.sub("", bare))))
        # A model that is there goes before an alias that its dated name falls under.
        for look_up in (self._model_named, self._alias_named):
            for spelling in spellings:
                if (found := look_up(spelling)) is not None:
                    return found
        return None

    def _model_named(self, spelling: str) -> str | None:
        if spelling in self._exact:
            return self._exact[spelling]
        return next((name for name in self._unavailable if name.casefold() == spelling), None)

    def _alias_named(self, spelling: str) -> str | None:
        if spelling in self._aliases:
            return self._aliases[spelling]
        starts = [alias for alias in self._aliases if alias.endswith("*") and spelling.startswith(alias[:-1])]
        return self._aliases[max(starts, key=len)] if starts else None

    def for_grounded(self, name: str) -> ChatModel:
        """The model that answers a question about documents asked of ``name``.

        Raises:
            NotFound, Unavailable: as ``resolve``.
        """
        model = self.resolve(name)
        if self._grounded_default is None or self._policy == "never":
            return model
        own_name = name.strip().casefold() in self._exact
        if self._policy == "always" or (model.profile.demo and not own_name):
            return self._models[self._grounded_default]
        return model

    def entries(self) -> tuple[CatalogueEntry, ...]:
        """All models for a list: the one in force first, then by name, then the unavailable ones."""
        grounded = self.for_grounded(DEFAULT_NAME).name
        here = [
            CatalogueEntry(
                name=name,
                owner=self._owners.get(name, "dragoman"),
                in_force=name == self._default,
                grounded=name == grounded,
                demo=model.profile.demo,
            )
            for name, model in sorted(self._models.items())
        ]
        missing = [
            CatalogueEntry(name, self._owners.get(name, "dragoman"), False, False, False, why)
            for name, why in sorted(self._unavailable.items())
        ]
        return (*sorted(here, key=lambda entry: not entry.in_force), *missing)

    def aliases(self) -> Mapping[str, str]:
        """Every alias with the model it stands for."""
        return MappingProxyType(self._aliases)
