"""Published names and words to the domain's and back: each translation works in both directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.kit.jsontypes import JsonValue


class Translation(Protocol):
    """One value in two vocabularies. Null stays null."""

    def inward(self, value: JsonValue) -> JsonValue:
        """The domain's form."""
        ...

    def outward(self, value: JsonValue) -> JsonValue:
        """The published form."""
        ...


@dataclass(frozen=True, slots=True)
class Same:
    """Alike on both sides."""

    def inward(self, value: JsonValue) -> JsonValue:
        return value

    def outward(self, value: JsonValue) -> JsonValue:
        return value


@dataclass(frozen=True, slots=True)
class Words:
    """A word with another spelling; ``own`` has the domain's by the published one."""

    own: Mapping[str, str]

    def inward(self, value: JsonValue) -> JsonValue:
        return self.own[value] if isinstance(value, str) else value

    def outward(self, value: JsonValue) -> JsonValue:
        return next((word for word, own in self.own.items() if own == value), value)


@dataclass(frozen=True, slots=True)
class Each:
    """A list, entry by entry."""

    entry: Translation

    def inward(self, value: JsonValue) -> JsonValue:
        return None if value is None else [self.entry.inward(one) for one in _sequence(value)]

    def outward(self, value: JsonValue) -> JsonValue:
        return None if value is None else [self.entry.outward(one) for one in _sequence(value)]


@dataclass(frozen=True, slots=True)
class Only:
    """A value that the domain keeps as a list of at most one; the empty one is null outside."""

    def inward(self, value: JsonValue) -> JsonValue:
        return [value] if value else []

    def outward(self, value: JsonValue) -> JsonValue:
        return next(iter(_sequence(value)), None)


@dataclass(frozen=True, slots=True)
class EmptyIsNull:
    """A list or an object that the domain keeps empty when it is null outside."""

    empty: JsonValue

    def inward(self, value: JsonValue) -> JsonValue:
        return self.empty if value is None else value

    def outward(self, value: JsonValue) -> JsonValue:
        return value or None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the domain's object a value stands, as names separated by dots."""

    path: str
    translation: Translation = field(default_factory=Same)


@dataclass(frozen=True, slots=True)
class Shape:
    """An object, member by member."""

    places: Mapping[str, Place]

    def inward(self, value: JsonValue) -> JsonValue:
        return None if value is None else put_all(_object(value), self.places)

    def outward(self, value: JsonValue) -> JsonValue:
        return None if value is None else take_all(_object(value), self.places)


def put_all(published: Mapping[str, JsonValue], places: Mapping[str, Place]) -> dict[str, JsonValue]:
    """The domain's nested object of the published members that are there."""
    own: dict[str, JsonValue] = {}
    for name, place in places.items():
        if name in published:
            *parents, last = place.path.split(".")
            target = own
            for parent in parents:
                inner = target.setdefault(parent, {})
                assert isinstance(inner, dict)
                target = inner
            target[last] = place.translation.inward(published[name])
    return own


def take_all(own: Mapping[str, JsonValue], places: Mapping[str, Place]) -> dict[str, JsonValue]:
    """The published members of the domain's nested object."""
    published: dict[str, JsonValue] = {}
    for name, place in places.items():
        value: JsonValue = own
        for part in place.path.split("."):
            value = _object(value)[part]
        published[name] = place.translation.outward(value)
    return published


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    assert isinstance(value, Mapping)
    return value


def _sequence(value: JsonValue) -> Sequence[JsonValue]:
    assert isinstance(value, Sequence)
    assert not isinstance(value, str)
    return value
