"""What of a skill is stored sealed: the headers that its sources are asked with."""

from dataclasses import replace

import orjson

from dragoman.domain.skills.model import Skill
from dragoman.kit.crypto import Sealer

_CONTEXT = "skill/headers"


class SkillVault:
    """Seals and opens the headers of sources, which often hold keys."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def closed(self, skill: Skill) -> Skill:
        """The skill as it is stored."""
        headers = [dict(source.headers) for source in skill.draft.sources]
        if not any(headers):
            return replace(skill, sealed_headers=None)
        bare = tuple(replace(source, headers={}) for source in skill.draft.sources)
        return replace(
            skill,
            draft=replace(skill.draft, sources=bare),
            sealed_headers=self._sealer.seal(orjson.dumps(headers), f"{_CONTEXT}:{skill.id}"),
        )

    def opened(self, skill: Skill) -> Skill:
        """The skill as it was given.

        Raises:
            Unavailable: it was sealed with another key file.
        """
        if skill.sealed_headers is None:
            return skill
        headers = orjson.loads(self._sealer.open(skill.sealed_headers, f"{_CONTEXT}:{skill.id}"))
        whole = tuple(
            replace(source, headers=known) for source, known in zip(skill.draft.sources, headers, strict=True)
        )
        return replace(skill, draft=replace(skill.draft, sources=whole), sealed_headers=None)
