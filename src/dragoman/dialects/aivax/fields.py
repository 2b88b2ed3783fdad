"""Reading JSON by description: a field checks a value, names its place when wrong, and describes itself.

Texts of choices are accepted in any case and come back in the published one.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.kit.errors import InvalidInput
from dragoman.kit.ids import is_uuid
from dragoman.kit.jsontypes import JsonValue

INT32 = 2**31 - 1


def wrong(path: str, what: str) -> InvalidInput:
    """The error that names the place."""
    return InvalidInput(f"{path or 'The body'} {what}.", param=path or None)


def at(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name


class Field(Protocol):
    """What one value may be."""

    def read(self, value: object, path: str) -> JsonValue:
        """The value as the program keeps it.

        Raises:
            InvalidInput: it is something else; ``param`` is the path.
        """
        ...

    def schema(self) -> dict[str, JsonValue]:
        """The field as JSON Schema."""
        ...


def _typed(name: str, nullable: bool) -> JsonValue:
    return [name, "null"] if nullable else name


@dataclass(frozen=True, slots=True)
class Text:
    """A text within bounds of length; NUL, which databases refuse, is refused here."""

    minimum: int = 0
    maximum: int = 1_000_000
    nullable: bool = False
    pattern: str | None = None

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        if not isinstance(value, str):
            raise wrong(path, "must be a text" + (" or null" if self.nullable else ""))
        if not self.minimum <= len(value) <= self.maximum:
            raise wrong(path, f"must have {self.minimum} to {self.maximum} characters")
        if self.minimum and not value.strip():
            raise wrong(path, "must not be blank")
        if "\x00" in value:
            raise wrong(path, "must not contain the NUL character")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise wrong(path, f"must match {self.pattern}")
        return value

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": _typed("string", self.nullable),
            "minLength": self.minimum,
            "maxLength": self.maximum,
            **({"pattern": self.pattern} if self.pattern else {}),
        }


@dataclass(frozen=True, slots=True)
class Uuid:
    """An identifier; comes back in lower case."""

    def read(self, value: object, path: str) -> JsonValue:
        if not isinstance(value, str) or not is_uuid(value):
            raise wrong(path, "must be a UUID")
        return value.lower()

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "format": "uuid"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds."""

    minimum: int = -INT32 - 1
    maximum: int = INT32
    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(path, "must be a whole number" + (" or null" if self.nullable else ""))
        if not self.minimum <= value <= self.maximum:
            raise wrong(path, f"must be from {self.minimum} to {self.maximum}")
        return value

    def schema(self) -> dict[str, JsonValue]:
        return {"type": _typed("integer", self.nullable), "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds."""

    minimum: float
    maximum: float
    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise wrong(path, "must be a number" + (" or null" if self.nullable else ""))
        if not self.minimum <= value <= self.maximum:
            raise wrong(path, f"must be from {self.minimum:.15g} to {self.maximum:.15g}")
        return value

    def schema(self) -> dict[str, JsonValue]:
        return {"type": _typed("number", self.nullable), "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false."""

    def read(self, value: object, path: str) -> JsonValue:
        if not isinstance(value, bool):
            raise wrong(path, "must be true or false")
        return value

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, in any case."""

    words: tuple[str, ...]

    def read(self, value: object, path: str) -> JsonValue:
        if isinstance(value, str):
            for word in self.words:
                if word.lower() == value.strip().lower():
                    return word
        raise wrong(path, f"must be one of {', '.join(self.words)}")

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Items:
    """A list of alike values; with ``unique`` later repetitions are dropped."""

    item: Field
    maximum: int = 1000
    minimum: int = 0
    unique: bool = False
    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        if not isinstance(value, list):
            raise wrong(path, "must be a list" + (" or null" if self.nullable else ""))
        if not self.minimum <= len(value) <= self.maximum:
            raise wrong(path, f"must have {self.minimum} to {self.maximum} entries")
        read = [self.item.read(entry, f"{path}[{position}]") for position, entry in enumerate(value)]
        if not self.unique:
            return read
        return [entry for position, entry in enumerate(read) if entry not in read[:position]]

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": _typed("array", self.nullable),
            "items": self.item.schema(),
            "minItems": self.minimum,
            "maxItems": self.maximum,
        }


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value, kept as it is."""

    def read(self, value: object, path: str) -> JsonValue:
        return value  # pyright: ignore[reportReturnType]

    def schema(self) -> dict[str, JsonValue]:
        return {}


@dataclass(frozen=True, slots=True)
class Mapped:
    """An object with any names and alike values."""

    value: Field = field(default_factory=Anything)
    maximum: int = 200
    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        if not isinstance(value, dict):
            raise wrong(path, "must be an object" + (" or null" if self.nullable else ""))
        if len(value) > self.maximum:
            raise wrong(path, f"must have at most {self.maximum} members")
        return {name: self.value.read(entry, at(path, name)) for name, entry in value.items()}

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": _typed("object", self.nullable),
            "additionalProperties": self.value.schema(),
            "maxProperties": self.maximum,
        }


class _Absent:
    """Stands for a member that is left out when it was not given."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Member:
    """A named part of an object: what it may be, and what holds when it is not given."""

    field: Field
    default: "JsonValue | _Absent" = ABSENT
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known members; unknown ones are ignored, or kept as they are with ``keep_unknown``."""

    members: Mapping[str, Member]
    nullable: bool = False
    keep_unknown: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        if value is None and self.nullable:
            return None
        return self.read_object(value, path)

    def read_object(self, value: object, path: str) -> dict[str, JsonValue]:
        """The object with its defaults filled in, members in the order of the description."""
        if not isinstance(value, dict):
            raise wrong(path, "must be an object" + (" or null" if self.nullable else ""))
        result: dict[str, JsonValue] = {}
        for name, member in self.members.items():
            if name in value:
                result[name] = member.field.read(value[name], at(path, name))
            elif member.required:
                raise wrong(at(path, name), "is required")
            elif not isinstance(member.default, _Absent):
                result[name] = member.default
        if self.keep_unknown:
            result.update({name: entry for name, entry in value.items() if name not in self.members})
        return result

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": _typed("object", self.nullable),
            "properties": {name: member.field.schema() for name, member in self.members.items()},
            "required": [name for name, member in self.members.items() if member.required],
        }
