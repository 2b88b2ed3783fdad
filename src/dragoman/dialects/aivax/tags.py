"""Tags, written as one text with commas or as a list."""

from dataclasses import dataclass

from dragoman.dialects.aivax.fields import wrong
from dragoman.kit.jsontypes import JsonValue

_MOST = 100
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Tags:
    """Trimmed, without empty ones and without repetitions; null is none."""

    def read(self, value: object, path: str) -> JsonValue:
        if value is None:
            return []
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise wrong(path, "must be a text with commas, a list of texts, or null")
        tags: list[str] = []
        for part in parts:
            if not isinstance(part, str) or len(part.strip()) > _LONGEST or "\x00" in part:
                raise wrong(path, f"must hold texts of at most {_LONGEST} characters")
            if part.strip() and part.strip() not in tags:
                tags.append(part.strip())
        if len(tags) > _MOST:
            raise wrong(path, f"must have at most {_MOST} tags")
        return tags

    def schema(self) -> dict[str, JsonValue]:
        return {"type": ["string", "array", "null"], "items": {"type": "string"}}
