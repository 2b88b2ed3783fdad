"""Skills as they are written and kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SkillSource:
    """An address whose text belongs to the instructions; it may be kept for ``cache_seconds``."""

    name: str
    url: str
    description: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cache_seconds: int = 600


@dataclass(frozen=True, slots=True)
class SkillDraft:
    """What somebody writes of a skill."""

    slug: str
    instructions: str
    description: str | None = None
    sources: tuple[SkillSource, ...] = ()
    allowed_tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A stored skill. Times are in milliseconds; ``sealed_headers`` holds those of its sources, only while it is stored."""

    id: str
    draft: SkillDraft
    created_at: int
    updated_at: int
    sealed_headers: bytes | None = None


@dataclass(frozen=True, slots=True)
class ImportDone:
    """How many skills an import made or changed, and how many lines changed nothing."""

    stored: int
    skipped: int
