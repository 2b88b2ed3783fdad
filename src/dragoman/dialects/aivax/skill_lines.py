"""Skills in the published form, and as JSON lines."""

from pathlib import Path
from typing import Any

import orjson

from dragoman.dialects.aivax.chat_parameters import Address
from dragoman.dialects.aivax.fields import Items, Member, Record, Text, Whole, wrong
from dragoman.dialects.aivax.header_fields import Headers
from dragoman.dialects.aivax.inner_addresses import refuse_inner_sources
from dragoman.dialects.aivax.jsonl import numbered, read_line
from dragoman.domain.skills.model import Skill, SkillDraft, SkillSource
from dragoman.domain.skills.service import MOST_SKILLS, check_slug
from dragoman.kit.addresses import AllowList
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput, TooLarge
from dragoman.kit.jsontypes import JsonValue

_NAME = Text(1, 200)


class Slug:
    """A slug."""

    def read(self, value: object, path: str) -> JsonValue:
        text = value if isinstance(value, str) else ""
        try:
            check_slug(text)
        except InvalidInput as error:
            raise InvalidInput(error.detail, param=path) from error
        return text

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}


class SourceAddress:
    """An http(s) URL."""

    def read(self, value: object, path: str) -> JsonValue:
        text = Address().read(value, path)
        if text is None:
            raise wrong(path, "is required")
        return text

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "format": "uri"}


_SOURCE = Record(
    {
        "name": Member(_NAME, required=True),
        "description": Member(Text(0, 20_000, nullable=True), default=None),
        "url": Member(SourceAddress(), required=True),
        "headers": Member(Headers(nullable=True), default={}),
        "cacheDuration": Member(Whole(0), default=600),
    }
)
_OPTIONS = Record(
    {
        "instructionSources": Member(Items(_SOURCE, maximum=50, nullable=True), default=[]),
        "allowedToolsNames": Member(Items(_NAME, maximum=500, unique=True, nullable=True), default=[]),
    },
    nullable=True,
)
SOURCES = "options.instructionSources"
_INSTRUCTIONS = Text(1, 1_000_000)
_DESCRIPTION = Text(0, 20_000, nullable=True)
CREATE = Record(
    {
        "slug": Member(Slug(), required=True),
        "description": Member(_DESCRIPTION, default=None),
        "instructions": Member(_INSTRUCTIONS, required=True),
        "options": Member(_OPTIONS, default={}),
    }
)
CHANGE = Record(
    {
        "slug": Member(Slug()),
        "description": Member(_DESCRIPTION),
        "instructions": Member(_INSTRUCTIONS),
        "options": Member(_OPTIONS),
    }
)


def draft_of(values: dict[str, Any]) -> SkillDraft:
    """The domain's draft of a read body or line."""
    options = values["options"] or {}
    return SkillDraft(
        values["slug"],
        values["instructions"],
        values["description"] or None,
        sources_of(options),
        tuple(options.get("allowedToolsNames") or ()),
    )


def sources_of(options: dict[str, Any] | None) -> tuple[SkillSource, ...]:
    """The sources among the options of a read body or line."""
    return tuple(
        SkillSource(
            source["name"],
            source["url"],
            source["description"],
            source["headers"] or {},
            source["cacheDuration"],
        )
        for source in (options or {}).get("instructionSources") or ()
    )


def changed_draft(before: SkillDraft, values: dict[str, Any]) -> SkillDraft:
    """The draft with what is given in place of what it was."""
    return draft_of({**published(before), **values})


def published(draft: SkillDraft) -> dict[str, Any]:
    """A draft in the published form; it is also a line that the import takes."""
    return {
        "slug": draft.slug,
        "description": draft.description,
        "instructions": draft.instructions,
        "options": {
            "instructionSources": [
                {
                    "name": source.name,
                    "description": source.description,
                    "url": source.url,
                    "headers": dict(source.headers),
                    "cacheDuration": source.cache_seconds,
                }
                for source in draft.sources
            ],
            "allowedToolsNames": list(draft.allowed_tools),
        },
    }


def listed(skill: Skill) -> dict[str, JsonValue]:
    """A skill as lists have it."""
    return {
        "id": skill.id,
        "createdAt": iso(skill.created_at),
        "slug": skill.draft.slug,
        "description": skill.draft.description,
        "allowedToolsCount": len(skill.draft.allowed_tools),
    }


def viewed(skill: Skill) -> dict[str, JsonValue]:
    """A skill with everything."""
    times = {"createdAt": iso(skill.created_at), "updatedAt": iso(skill.updated_at)}
    return {"id": skill.id, **published(skill.draft), **times}


def read_file(path: Path, allow: AllowList) -> list[SkillDraft]:
    """The skills of a file of JSON lines; blocks while it reads.

    Raises:
        InvalidInput: a line is not in order, or names an address inside; the message names line and reason.
        TooLarge: more lines than there may be skills.
    """
    drafts: list[SkillDraft] = []
    for number, line in numbered(path):
        if len(drafts) == MOST_SKILLS:
            raise TooLarge(f"The file has more than {MOST_SKILLS} skills.", param="skills")
        draft = draft_of(read_line(number, line, CREATE))
        refuse_inner_sources(draft.sources, f"line {number}.{SOURCES}", allow)
        drafts.append(draft)
    return drafts


def write_line(skill: Skill) -> bytes:
    """A skill as one line that the import takes."""
    return orjson.dumps(published(skill.draft), option=orjson.OPT_APPEND_NEWLINE)
