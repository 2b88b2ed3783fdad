"""The reference page of all settings, made from their declarations."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic_core import PydanticUndefined

from dragoman.settings.fields import SettingField, every_field
from dragoman.settings.groups import Group
from dragoman.settings.model import Settings

_HEAD = """# Settings

A value is taken from the command line, else the environment, else the settings file, else it is the default.
The settings file is `dragoman.toml` in the working directory or else in the data folder, or the file that
`--config` or `DRAGOMAN_CONFIG` names. `dragoman config show --origin` prints what is in force and why.

A dotted name `group.name` is `name` under `[group]` in the file and `DRAGOMAN_GROUP__NAME` in the
environment. Lists and tables are JSON in the environment. Each secret can also be given as `..._FILE`, the
name of a file that holds it. An empty variable counts as unset; a name that is no setting stops the start.
"""


def reference() -> str:
    """The page as Markdown."""
    lines = [_HEAD]
    heading = None
    for field in every_field(Settings):
        group = ".".join(field.path[:-1]).replace("*", "NAME")
        if group != heading:
            heading = group
            lines.append(f"\n## {group or 'General'}\n")
            lines.append(
                "| setting | environment | kind | default | meaning |\n| --- | --- | --- | --- | --- |"
            )
        lines.append(_row(field))
    return "\n".join(lines) + "\n"


def _row(field: SettingField) -> str:
    name = field.name.replace("*", "NAME")
    variable = f"`{field.variable}`" + (f" or `{field.variable}_FILE`" if field.secret else "")
    return f"| `{name}` | {variable} | {_kind(field)} | {_default(field)} | {field.info.description} |"


def _kind(field: SettingField) -> str:
    bounds = [text for limit in field.info.metadata if (text := _bound(limit))]
    return " ".join([_type_name(field.kind), *bounds])


def _type_name(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if origin in (list, dict):
        return "list" if origin is list else "table"
    if origin in (Union, UnionType):
        return " or ".join(_type_name(part) for part in get_args(kind))
    return {
        "bool": "true or false",
        "int": "number",
        "float": "number",
        "SecretStr": "secret",
        "Path": "path",
    }.get(kind.__name__, "text")


def _bound(limit: object) -> str:
    match limit:
        case Ge(least):
            return f"≥ {least}"
        case Le(most):
            return f"≤ {most}"
        case MinLen(least):
            return f"≥ {least} characters"
        case MaxLen(most):
            return f"≤ {most} characters"
        case _:
            return ""


def _default(field: SettingField) -> str:
    if field.name == "data_dir":
        return "`~/.local/share/dragoman`"
    info = field.info
    if info.default_factory is not None:
        return "empty"
    if info.default is PydanticUndefined:
        return "needed"
    if info.default is None or isinstance(info.default, Group):
        return "unset"
    return (
        f"`{str(info.default).lower() if isinstance(info.default, bool) else info.default}`"
        if info.default != ""
        else "empty"
    )
