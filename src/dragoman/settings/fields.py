"""Finding a setting by its path: what kind of value it holds and which names there are beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dragoman.settings.groups import Group

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting. ``path`` ends in ``*`` where the operator chooses names."""

    path: Path
    kind: Any
    info: FieldInfo

    @property
    def name(self) -> str:
        """The dotted name, as in the settings file."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return variable_of(self.path)

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return is_secret(self.kind)


def variable_of(path: Path) -> str:
    """The environment variable of a path: ``DRAGOMAN_SERVER__PORT``."""
    return "DRAGOMAN_" + "__".join(part.upper() if part != "*" else "NAME" for part in path)


def plain(kind: Any) -> Any:
    """The type without ``Annotated`` and without its None alternative."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        others = [part for part in get_args(kind) if part is not NoneType]
        if len(others) == 1:
            return plain(others[0])
    return kind


def is_group(kind: Any) -> bool:
    """Whether the type is a group of settings."""
    return isinstance(kind, type) and issubclass(kind, Group)


def is_secret(kind: Any) -> bool:
    """Whether values of the type are never shown."""
    return kind is SecretStr


def is_structured(kind: Any) -> bool:
    """Whether one value of the type is written as JSON."""
    return get_origin(kind) in (list, dict)


def item_kind(kind: Any) -> Any:
    """The type of a mapping's values, None for what is no mapping."""
    return plain(get_args(kind)[1]) if get_origin(kind) is dict else None


def kind_at(root: type[Group], path: Path) -> Any:
    """The type of the setting or group at a path.

    Raises:
        UnknownNameError: there is none.
    """
    kind: Any = root
    for depth, part in enumerate(path):
        if is_group(kind):
            fields = kind.model_fields
            if part not in fields:
                raise UnknownNameError(path[:depth], part, sorted(fields))
            kind = plain(fields[part].annotation)
        elif (item := item_kind(kind)) is not None:
            kind = item
        else:
            raise UnknownNameError(path[:depth], part, [])
    return kind


class UnknownNameError(Exception):
    """A path leads nowhere from ``parent`` on; ``known`` are the names there."""

    def __init__(self, parent: Path, part: str, known: list[str]) -> None:
        super().__init__(".".join((*parent, part)))
        self.parent = parent
        self.part = part
        self.known = known


def every_field(root: type[Group], parent: Path = ()) -> Iterator[SettingField]:
    """All settings there are, in the order they are declared."""
    for name, info in root.model_fields.items():
        path = (*parent, name)
        kind = plain(info.annotation)
        if is_group(kind):
            yield from every_field(kind, path)
            continue
        item = item_kind(kind)
        if is_group(item):
            yield from every_field(item, (*path, "*"))
        else:
            yield SettingField(path, kind, info)
