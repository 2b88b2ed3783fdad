"""From what a caller sends to the fields of a plugin: complete, of the right kind, within bounds."""

from collections.abc import Mapping, Sequence

import orjson

from dragoman.domain.agents.plugins.model import PluginField, PluginFile, PluginSpec
from dragoman.kit.errors import InvalidInput

_LONGEST = {"text": 20_000, "textarea": 4_000_000, "collection": 1000}


def text_values(spec: PluginSpec, given: Mapping[str, object]) -> dict[str, str]:
    """The values of all fields but files; unknown names are left out, as are empty values.

    Raises:
        InvalidInput: a value is too long; ``param`` names the field.
    """
    values: dict[str, str] = {}
    for field in spec.fields:
        if field.kind == "file":
            continue
        value = _text(given.get(field.name))
        if not value.strip():
            continue
        if len(value) > _LONGEST[field.kind]:
            raise InvalidInput(
                f"'{field.name}' is longer than {_LONGEST[field.kind]} characters.", param=field.name
            )
        values[field.name] = value if field.kind == "textarea" else value.strip()
    return values


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, Mapping | Sequence) else str(value)


def file_values(
    spec: PluginSpec, files: Sequence[PluginFile]
) -> tuple[dict[str, PluginFile], list[PluginFile]]:
    """The files by field, in the order they came, and those that no field takes."""
    fields = [field for field in spec.fields if field.kind == "file"]
    taken = {field.name: file for field, file in zip(fields, files, strict=False)}
    return taken, list(files[len(fields) :])


def missing(spec: PluginSpec, given: Mapping[str, object]) -> list[PluginField]:
    """The fields that must be given and are not."""
    return [field for field in spec.required if field.name not in given]


def check_complete(spec: PluginSpec, given: Mapping[str, object]) -> None:
    """Refuses a call without all that is needed.

    Raises:
        InvalidInput: ``param`` names the first field that is missing.
    """
    lacking = missing(spec, given)
    if lacking:
        names = ", ".join(f"'{field.name}'" for field in lacking)
        kind = ": send a file" if lacking[0].kind == "file" else ""
        raise InvalidInput(
            f"The plugin {spec.name} needs {names}{kind}.", param=lacking[0].name, code="field_missing"
        )
