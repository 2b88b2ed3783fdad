"""Members of JSON that hold secrets, taken out of it for storing and put back for use."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from dragoman.kit.jsontypes import JsonValue


class TakenOut(NamedTuple):
    """JSON with empty objects where secrets were, and the secrets with their paths there."""

    rest: JsonValue
    secrets: list[tuple[list[str | int], JsonValue]]


def take_out(value: JsonValue, names: Collection[str]) -> TakenOut:
    """Takes out every non-empty object that is the member of one of these names, at any depth."""
    secrets: list[tuple[list[str | int], JsonValue]] = []
    return TakenOut(_without(value, names, [], secrets), secrets)


def put_back(value: JsonValue, secrets: Sequence[tuple[Sequence[str | int], JsonValue]]) -> JsonValue:
    """The value with each secret at its path; the opposite of ``take_out``."""
    for path, secret in secrets:
        value = _with(value, path, secret)
    return value


def _without(
    value: JsonValue,
    names: Collection[str],
    path: list[str | int],
    secrets: list[tuple[list[str | int], JsonValue]],
) -> JsonValue:
    if isinstance(value, Mapping):
        rest: dict[str, JsonValue] = {}
        for name, member in value.items():
            if name in names and isinstance(member, Mapping) and member:
                secrets.append(([*path, name], member))
                rest[name] = {}
            else:
                rest[name] = _without(member, names, [*path, name], secrets)
        return rest
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without(one, names, [*path, place], secrets) for place, one in enumerate(value)]
    return value


def _with(value: JsonValue, path: Sequence[str | int], secret: JsonValue) -> JsonValue:
    if not path:
        return secret
    step, *rest = path
    if isinstance(value, Mapping) and isinstance(step, str):
        return {**value, step: _with(value.get(step), rest, secret)}
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int):
        return [_with(one, rest, secret) if place == step else one for place, one in enumerate(value)]
    raise ValueError("the path leads nowhere in this value")
