"""Skills as folders of ``SKILL.md`` files: front matter in YAML, then the instructions."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from dragoman.domain.skills.model import Skill, SkillDraft, SkillSource
from dragoman.domain.skills.service import MOST_SKILLS, check_slug
from dragoman.kit.errors import InvalidInput, TooLarge

FILE = "SKILL.md"
_MOST_BYTES = 2_000_000
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_SEPARATORS = re.compile(r"[,\s]+(?![^(]*\))")


def read_folder(folder: Path) -> list[SkillDraft]:
    """The skills of all ``SKILL.md`` files in the folder and below it, by path; blocks while it reads.

    Raises:
        InvalidInput: there is none, or one is not in order; the message names the file.
        TooLarge: more than there may be, or a file too large.
    """
    paths = sorted(path for path in folder.rglob(FILE) if path.is_file())
    if not paths:
        raise InvalidInput(f"There is no {FILE} in {folder} or below it.")
    if len(paths) > MOST_SKILLS:
        raise TooLarge(f"The folder has more than {MOST_SKILLS} skills.")
    drafts: dict[str, Path] = {}
    read: list[SkillDraft] = []
    for path in paths:
        draft = _read(path)
        if draft.slug in drafts:
            raise InvalidInput(f"{path} and {drafts[draft.slug]} are both named {draft.slug!r}.")
        drafts[draft.slug] = path
        read.append(draft)
    return read


def _read(path: Path) -> SkillDraft:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TooLarge(f"{path} is larger than {_MOST_BYTES // 1_000_000} MB.")
        return parse(path.read_text("utf-8"), fallback=path.parent.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as text: {error}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.detail}") from error


class _Source(BaseModel):
    """A text at an address that belongs to the instructions."""

    url: str
    name: str | None = None
    description: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    cache_seconds: int = 600


class _Front(BaseModel):
    """What the front matter may say; anything else in it is somebody else's."""

    name: str | None = None
    description: str | None = None
    allowed_tools: list[str] | str = Field(default=[], alias="allowed-tools")
    instruction_sources: list[_Source] = Field(default=[], alias="instruction-sources")

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools by name, in their order."""
        given = self.allowed_tools
        names = _SEPARATORS.split(given.strip()) if isinstance(given, str) else given
        return tuple(dict.fromkeys(name for name in names if name))


def parse(text: str, *, fallback: str) -> SkillDraft:
    """The skill in the text of a file; without a name of its own it is called by ``fallback``.

    Raises:
        InvalidInput: the front matter is not in order, or there are no instructions.
    """
    found = _FRONT.match(text)
    front = _front(found.group(1)) if found else _Front()
    # One line break on either side belongs to the file, any more to the instructions.
    body = (text[found.end() :] if found else text).replace("\r\n", "\n")
    instructions = body.removeprefix("\n").removesuffix("\n")
    if not instructions.strip():
        raise InvalidInput("There are no instructions.")
    slug = (front.name or fallback).strip()
    check_slug(slug)
    sources = tuple(
        SkillSource(one.name or one.url, one.url, one.description, one.headers, one.cache_seconds)
        for one in front.instruction_sources
    )
    return SkillDraft(slug, instructions, (front.description or "").strip() or None, sources, front.tools)


def _front(text: str) -> _Front:
    try:
        return _Front.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise InvalidInput(f"The front matter is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in problem["loc"]) or "it"
        raise InvalidInput(f"The front matter: {place}: {problem['msg']}") from error


def write(skill: Skill) -> str:
    """The text of a skill's file; reading it gives the same skill."""
    draft = skill.draft
    front: dict[str, Any] = {"name": draft.slug}
    if draft.description:
        front["description"] = draft.description
    if draft.allowed_tools:
        front["allowed-tools"] = list(draft.allowed_tools)
    if draft.sources:
        front["instruction-sources"] = [
            {name: value for name, value in asdict(source).items() if value not in (None, {})}
            for source in draft.sources
        ]
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{draft.instructions}\n"


def write_folder(skills: list[Skill], folder: Path) -> list[Path]:
    """Writes each skill into a folder of its name; gives the files. Blocks while it writes.

    Raises:
        InvalidInput: the folder cannot be written to.
    """
    written: list[Path] = []
    try:
        for skill in skills:
            # A slug may be all dots, which names no folder of its own.
            name = skill.draft.slug if skill.draft.slug.strip(".") else f"skill-{skill.id}"
            path = folder / name / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(skill), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written to: {error.strerror}.") from error
    return written
