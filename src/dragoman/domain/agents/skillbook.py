"""The skills of a run: which the agent has, which are open, and the tool that opens them."""

from collections.abc import Sequence

from dragoman.domain.agents.instructions import InstructionSources
from dragoman.domain.agents.spec import SkillsSpec
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.skills.model import Skill
from dragoman.domain.tools.model import Risk, ToolResult
from dragoman.domain.tools.spec import RemoteSource
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.suggest import did_you_mean

READ_SKILL = "read_skill"
SHELL = "shell"
_MOST = 10
_HOW = (
    "You have the skills below. When one of them fits what is asked, open it with the tool read_skill before you answer; "
    "its instructions then stand in this text. Opening skills closes those that were open before."
)


class SkillBook:
    """The skills of one run.

    Args:
        skills: those the agent has, in its order.
        sources: reads the texts at addresses that belong to a skill.
    """

    def __init__(self, skills: Sequence[Skill], spec: SkillsSpec, sources: InstructionSources | None) -> None:
        self._skills = {skill.draft.slug: skill for skill in skills}
        self._spec = spec
        self._sources = sources
        self._open: tuple[Skill, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._skills)

    @property
    def slugs(self) -> list[str]:
        """The skills there are."""
        return list(self._skills)

    def sees(self, name: str) -> bool:
        """Whether the model may see the tool of that name now."""
        if not self._spec.hide_tools or name in (READ_SKILL, SHELL):
            return True
        return name in self._spec.always_visible_tools or any(
            name in skill.draft.allowed_tools for skill in self._open
        )

    def open(self, slugs: Sequence[str]) -> list[str]:
        """Opens these and closes all others; gives those there are none of, in which case nothing may have changed."""
        known = tuple(self._skills[slug] for slug in dict.fromkeys(slugs) if slug in self._skills)
        if known:
            self._open = known
        return [slug for slug in slugs if slug not in self._skills]

    def close(self) -> None:
        """Takes all skills away."""
        self._skills.clear()
        self._open = ()

    def reopen(self, conversation: Sequence[Message]) -> None:
        """Opens what was opened last in a conversation that goes on."""
        for turn in reversed(conversation):
            for call in reversed(turn.tool_calls):
                if call.name == READ_SKILL:
                    self.open([slug for slug in self._skills if f'"{slug}"' in call.arguments])
                    return

    @property
    def listing(self) -> str | None:
        """What the system text says of the skills; None without any."""
        if not self._skills:
            return None
        lines = [f"- {slug}: {_line(skill.draft.description)}" for slug, skill in self._skills.items()]
        return "\n".join((_HOW, *lines))

    async def instructions(self) -> str | None:
        """The instructions of the open skills, with the texts at their addresses; None when none is open."""
        if not self._open:
            return None
        return "\n\n".join([await self._block(skill) for skill in self._open])

    async def _block(self, skill: Skill) -> str:
        draft = skill.draft
        texts: tuple[str, ...] = ()
        if self._sources is not None and draft.sources:
            texts = await self._sources.texts(
                [
                    RemoteSource(
                        name=one.name,
                        description=one.description,
                        url=one.url,
                        headers=dict(one.headers),
                        cache_seconds=one.cache_seconds,
                    )
                    for one in draft.sources
                ]
            )
        whole = "\n\n".join((draft.instructions, *texts))
        return f"<activated_skill>\nSkill: {draft.slug}\n\n{whole}\n</activated_skill>"


def _line(text: str | None) -> str:
    return " ".join((text or "no description").split())


class ReadSkill:
    """The tool that opens skills."""

    def __init__(self, book: SkillBook) -> None:
        self._book = book

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return "the agent's skills"

    @property
    def risk(self) -> Risk:
        """What it can do to the world."""
        return "read"

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(
            READ_SKILL,
            "Opens skills: their instructions stand in the system text from the next turn on, in place of those of the "
            "skills that were open before.",
            {
                "type": "object",
                "properties": {
                    "slugs": {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 1,
                        "maxItems": _MOST,
                        "description": "Names of the skills, as they are listed.",
                    }
                },
                "required": ["slugs"],
            },
        )

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Opens the skills.

        Raises:
            InvalidInput: there is no such skill.
        """
        given = arguments.get("slugs")
        slugs = [slug for slug in given if isinstance(slug, str)] if isinstance(given, list) else []
        missing = self._book.open(slugs)
        opened = [slug for slug in slugs if slug not in missing]
        if not opened:
            wrong = slugs[0] if slugs else ""
            raise InvalidInput(
                f"There is no skill {wrong!r}{did_you_mean(wrong, self._book.slugs) or '.'} "
                f"The skills are: {', '.join(self._book.slugs)}."
            )
        told = f"Opened: {', '.join(opened)}. The instructions stand in the system text now."
        return ToolResult(told + (f" There is no skill {', '.join(missing)}." if missing else ""))
