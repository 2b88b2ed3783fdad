"""Bodies before they are checked: nulls left out, stored settings under given ones, unknown names found."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from dragoman.kit.errors import InvalidInput

_DEEPEST = 8


def without_nulls(value: Any, depth: int = 0) -> Any:
    """The value without members that are null: some clients send all fields, empty ones included.

    Raises:
        InvalidInput: nested too deeply.
    """
    if depth > _DEEPEST:
        raise InvalidInput("The body is nested too deeply.")
    if not isinstance(value, dict):
        return value
    return {
        name: member if name == "metadata" else without_nulls(member, depth + 1)
        for name, member in value.items()
        if member is not None
    }


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` field by field on top of ``under``; a ``metadata`` object is replaced as a whole."""
    result = dict(under)
    for name, value in over.items():
        known = result.get(name)
        if isinstance(value, dict) and isinstance(known, dict) and name != "metadata":
            result[name] = merged(known, value)
        else:
            result[name] = value
    return result


def unknown_names(model: type[BaseModel], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Paths of what is given and means nothing here."""
    for name, value in given.items():
        field = model.model_fields.get(name)
        if field is None:
            yield path + name
            continue
        inner = _model_in(field.annotation)
        if inner is not None and isinstance(value, dict):
            yield from unknown_names(inner, value, f"{path}{name}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
