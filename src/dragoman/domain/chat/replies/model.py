"""A reply as it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.kit.jsontypes import JsonObject


@dataclass(frozen=True, slots=True)
class Reply:
    """What was asked and told, in the client's own vocabulary; ``created_at`` in milliseconds since 1970."""

    id: str
    previous_id: str | None
    asked: Sequence[JsonObject]
    told: JsonObject
    created_at: int
