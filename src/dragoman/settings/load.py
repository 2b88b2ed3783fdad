"""Reading the settings: command line over environment over file over default."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from dragoman.kit.errors import InvalidInput
from dragoman.settings.groups import Group
from dragoman.settings.model import Settings, default_data_dir
from dragoman.settings.sources import (
    CONFIG_VARIABLE,
    Given,
    from_environment,
    from_file,
    from_flags,
    from_starter_provider,
    invalid,
)

FILE_NAME = "dragoman.toml"
MASK = "********"


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as ``config show`` prints it; secrets are masked."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and where each value came from; what is not in ``origins`` is a default."""

    settings: Settings
    origins: Mapping[tuple[str, ...], str]
    file: Path | None

    def shown(self) -> list[ShownSetting]:
        """Every setting in the order of its declaration."""
        return list(self._shown(self.settings, ()))

    def _shown(self, group: Group, parent: tuple[str, ...]) -> Iterator[ShownSetting]:
        for name in type(group).model_fields:
            yield from self._shown_value(getattr(group, name), (*parent, name))

    def _shown_value(self, value: object, path: tuple[str, ...]) -> Iterator[ShownSetting]:
        if isinstance(value, Group):
            yield from self._shown(value, path)
        elif isinstance(value, dict) and value:
            for name, item in cast("dict[str, object]", value).items():
                yield from self._shown_value(item, (*path, name))
        else:
            yield ShownSetting(".".join(path), _showable(value), self.origin(path))

    def origin(self, path: tuple[str, ...]) -> str:
        """Where the value at a path came from: the command line, a variable, a file, or ``default``."""
        for length in range(len(path), 0, -1):
            if found := self.origins.get(path[:length]):
                return found
        return "default"


def _showable(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK
    return str(value) if isinstance(value, Path) else value


def load_settings(
    *,
    flags: Mapping[str, object] | None = None,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    working_dir: Path | None = None,
) -> LoadedSettings:
    """The settings of this process.

    Args:
        flags: values of command line flags by dotted name (``server.port``); None is a flag that was not
            used.
        config: the settings file; else ``DRAGOMAN_CONFIG`` names it, else it is ``dragoman.toml`` in the
            working directory or else in the data folder, if there is one.
        environment: instead of the process's own.
        working_dir: instead of the process's own.

    Raises:
        InvalidInput: a name is no setting or a value is out of its bounds; the sentence says where it was
            set.
    """
    environment = os.environ if environment is None else environment
    above = [*from_environment(environment), *from_flags(flags or {})]
    file = _settings_file(config, environment, working_dir or Path.cwd(), above)
    below = [] if file is None else list(from_file(file))
    starter = list(from_starter_provider(environment))
    if any(given.path[:3] == ("models", "providers", "openai") for given in (*below, *above)):
        starter = []
    return _merge([*starter, *below, *above], file)


def _settings_file(
    config: Path | None, environment: Mapping[str, str], working_dir: Path, given: Sequence[Given]
) -> Path | None:
    named = config or (Path(text) if (text := environment.get(CONFIG_VARIABLE)) else None)
    if named is not None:
        return (working_dir / named.expanduser()).absolute()
    data_dir = next((Path(str(item.value)) for item in reversed(given) if item.path == ("data_dir",)), None)
    for folder in (working_dir, working_dir / (data_dir or default_data_dir()).expanduser()):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def _merge(given: Sequence[Given], file: Path | None) -> LoadedSettings:
    tree: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    for item in given:
        branch = tree
        for part in item.path[:-1]:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise invalid(f"{'.'.join(item.path)} ({item.origin}): what is above it is no table")
        branch[item.path[-1]] = item.value
        for path in [path for path in origins if path[: len(item.path)] == item.path]:
            del origins[path]
        origins[item.path] = item.origin
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise _explained(error, LoadedSettings(Settings.model_construct(), origins, file)) from None
    return LoadedSettings(settings, origins, file)


def _explained(error: ValidationError, loaded: LoadedSettings) -> InvalidInput:
    """One sentence a problem, with the place of each value; never the value, which may be a secret."""
    problems: list[str] = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        path = tuple(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        where = f"{'.'.join(path)} ({loaded.origin(path)}): " if path else ""
        problems.append(where + message)
    return invalid("; ".join(problems))
