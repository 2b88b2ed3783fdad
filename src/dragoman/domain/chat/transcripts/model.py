"""A conversation as its client keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.kit.jsontypes import JsonObject


@dataclass(frozen=True, slots=True)
class Transcript:
    """``turns`` are the client's own objects; times are in milliseconds since 1970."""

    id: str
    title: str
    turns: Sequence[JsonObject]
    created_at: int
    updated_at: int
