"""What the environment, the settings file and the command line say, each value with where it came from."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from dragoman.kit.errors import InvalidInput
from dragoman.kit.suggest import did_you_mean, nearest
from dragoman.settings.fields import (
    UnknownNameError,
    every_field,
    is_group,
    is_secret,
    is_structured,
    kind_at,
)
from dragoman.settings.model import Settings

PREFIX = "DRAGOMAN_"
CONFIG_VARIABLE = "DRAGOMAN_CONFIG"
_FILE_ENDING = "_FILE"
_OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_MODELS = ["gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"]
# Kubernetes puts these into every container beside a service that is called dragoman.
_SERVICE_LINK = re.compile(r"DRAGOMAN_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_\w+)\Z")


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody set, and where."""

    path: tuple[str, ...]
    value: object
    origin: str


def invalid(detail: str) -> InvalidInput:
    """The error for settings that cannot be used."""
    return InvalidInput(detail, code="invalid_settings")


def from_flags(flags: Mapping[str, object]) -> Iterator[Given]:
    """The settings among command line flags, given by dotted name; None is a flag that was not used."""
    for name, value in flags.items():
        if value is not None:
            path = tuple(name.split("."))
            kind_at(Settings, path)
            yield Given(path, value, "command line")


def from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    """The settings of the environment; an empty variable counts as unset.

    Raises:
        InvalidInput: a variable with our prefix is no setting, or its value is not of the right form.
    """
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or not text:
            continue
        if _SERVICE_LINK.match(variable) and "KUBERNETES_SERVICE_HOST" in environment:
            continue
        yield _from_variable(variable, text, environment)


def _from_variable(variable: str, text: str, environment: Mapping[str, str]) -> Given:
    path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
    try:
        kind = kind_at(Settings, path)
    except UnknownNameError as unknown:
        stem = variable.removesuffix(_FILE_ENDING)
        if stem != variable and _is_secret_variable(stem):
            if environment.get(stem):
                raise invalid(f"{stem} and {variable} are both set; use one of them") from unknown
            return _from_secret_file(variable, text, path)
        raise invalid(f"{variable} is no setting{_variable_suggestion(variable)}") from unknown
    if is_group(kind) and len(path) < 3:
        raise invalid(f"{variable} names a group of settings, not one setting")
    return Given(path, _decode(variable, text, kind), f"environment {variable}")


def _is_secret_variable(variable: str) -> bool:
    try:
        return is_secret(kind_at(Settings, tuple(variable.removeprefix(PREFIX).lower().split("__"))))
    except UnknownNameError:
        return False


def _from_secret_file(variable: str, file: str, path: tuple[str, ...]) -> Given:
    stem = (*path[:-1], path[-1].removesuffix(_FILE_ENDING.lower()))
    try:
        secret = Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise invalid(f"{variable}: {file} cannot be read: {reason}") from error
    return Given(stem, secret, f"environment {variable} ({file})")


def _variable_suggestion(variable: str) -> str:
    known = [field.variable for field in every_field(Settings) if "*" not in field.path]
    return did_you_mean(variable, known)


def _decode(variable: str, text: str, kind: object) -> object:
    if not (is_structured(kind) or is_group(kind)):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid(f'{variable} must be JSON, such as ["a", "b"] or {{"a": "b"}}') from error


def from_starter_provider(environment: Mapping[str, str]) -> Iterator[Given]:
    """A provider for the key that other OpenAI programs use, so that setting it alone gives a model."""
    if key := environment.get("OPENAI_API_KEY"):
        value = {
            "base_url": environment.get("OPENAI_BASE_URL") or _OPENAI_URL,
            "api_key": key,
            "models": _OPENAI_MODELS,
        }
        for name, item in value.items():
            yield Given(("models", "providers", "openai", name), item, "environment OPENAI_API_KEY")


def from_file(file: Path) -> Iterator[Given]:
    """The settings of a TOML file.

    Raises:
        InvalidInput: the file cannot be read, is not TOML, or has a name that is no setting.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise invalid(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid(f"{file} is not TOML: {error}") from error
    yield from _from_table(content, (), file)


def _from_table(table: Mapping[str, object], parent: tuple[str, ...], file: Path) -> Iterator[Given]:
    for name, value in table.items():
        path = (*parent, name)
        try:
            kind = kind_at(Settings, path)
        except UnknownNameError as unknown:
            place = f"in [{'.'.join(parent)}]" if parent else "at the top"
            match = nearest(name, unknown.known)
            hint = f"; did you mean {match!r}?" if match else f"; known there: {', '.join(unknown.known)}"
            raise invalid(f"{file}: {name!r} {place} is no setting{hint}") from unknown
        if is_group(kind) or (is_structured(kind) and isinstance(value, dict)):
            if not isinstance(value, dict):
                raise invalid(f"{file}: {'.'.join(path)} is a group of settings and needs a table")
            yield from _from_table(value, path, file)
        else:
            yield Given(path, value, f"file {file}")
