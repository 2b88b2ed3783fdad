"""Skills for callers: write, list, import, delete."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.skills import repository
from dragoman.domain.skills.model import ImportDone, Skill, SkillDraft
from dragoman.domain.skills.vault import SkillVault
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

R = TypeVar("R")

MOST_SKILLS = 10_000
_SLUG = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def check_slug(slug: str) -> None:
    """Refuses what is no slug.

    Raises:
        InvalidInput: it is none.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("slug must have 1 to 64 letters, digits, '_', '.' or '-'.", param="slug")


class SkillsService:
    """What a caller may do with skills; everybody has their own."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._vault = SkillVault(sealer)

    async def create(self, caller: Caller, draft: SkillDraft) -> Skill:
        """A new skill.

        Raises:
            InvalidInput: the slug is none, or there are as many skills as there may be.
            Conflict: the slug is taken.
        """
        require(caller, "create")
        check_slug(draft.slug)
        now = now_ms()
        skill = Skill(uuid7(), draft, now, now)

        def store(connection: Connection) -> None:
            _refuse_taken(connection, caller, draft.slug)
            _refuse_too_many(repository.count(connection, caller) + 1)
            repository.insert(connection, caller, self._vault.closed(skill))
            audit.record(connection, caller, "skill.created", skill.id, name=draft.slug)

        await self._write(store)
        return skill

    async def get(self, caller: Caller, skill_id: str) -> Skill:
        """One skill.

        Raises:
            NotFound: the caller has no such skill.
        """
        return self._vault.opened(await self._database.read(repository.get, caller, skill_id))

    async def select(self, caller: Caller, *, limit: int = MOST_SKILLS, offset: int = 0) -> list[Skill]:
        """The caller's skills, oldest first."""
        found = await self._database.read(repository.select, caller, limit=limit, offset=offset)
        return [self._vault.opened(one) for one in found]

    async def named(self, caller: Caller, names: Sequence[str]) -> list[Skill]:
        """Those of the caller's skills whose id or slug is among the names, oldest first."""
        found = await self._database.read(repository.select, caller, limit=MOST_SKILLS, names=names)
        return [self._vault.opened(one) for one in found]

    async def update(self, caller: Caller, skill_id: str, edit: Callable[[SkillDraft], SkillDraft]) -> Skill:
        """The skill after ``edit`` was applied to what it was.

        Raises:
            NotFound: the caller has no such skill.
            InvalidInput: the new slug is none.
            Conflict: the new slug is taken.
        """
        require(caller, "create")

        def store(connection: Connection) -> Skill:
            before = self._vault.opened(repository.get(connection, caller, skill_id))
            draft = edit(before.draft)
            if draft.slug != before.draft.slug:
                check_slug(draft.slug)
                _refuse_taken(connection, caller, draft.slug)
            skill = Skill(skill_id, draft, before.created_at, now_ms())
            repository.replace(connection, caller, self._vault.closed(skill))
            audit.record(connection, caller, "skill.changed", skill_id, name=draft.slug)
            return skill

        return await self._write(store)

    async def delete(self, caller: Caller, skill_id: str) -> None:
        """Removes one skill.

        Raises:
            NotFound: the caller has no such skill.
        """
        require(caller, "create")

        def remove(connection: Connection) -> None:
            if not repository.delete(connection, caller, skill_id):
                raise NotFound("There is no skill with this id.", code="skill_not_found")
            audit.record(connection, caller, "skill.deleted", skill_id)

        await self._database.write(remove)

    async def clear(self, caller: Caller) -> int:
        """Removes all the caller's skills; gives how many there were."""
        require(caller, "create")

        def remove(connection: Connection) -> int:
            gone = repository.delete(connection, caller)
            audit.record(connection, caller, "skills.deleted", caller.user_id, count=gone)
            return gone

        return await self._database.write(remove)

    async def import_all(self, caller: Caller, drafts: Sequence[SkillDraft]) -> ImportDone:
        """Makes what is new and changes what is different, all in one transaction; of one slug the last draft counts.

        Raises:
            InvalidInput: a slug is none, or there would be more skills than there may be.
        """
        require(caller, "create")
        for draft in drafts:
            check_slug(draft.slug)
        latest = {draft.slug: draft for draft in drafts}

        def store(connection: Connection) -> int:
            now, new = now_ms(), 0
            known = repository.select(connection, caller, limit=MOST_SKILLS)
            before = {one.draft.slug: self._vault.opened(one) for one in known}
            stored = 0
            for slug, draft in latest.items():
                old = before.get(slug)
                if old is None:
                    new += 1
                    skill = Skill(uuid7(), draft, now, now)
                    repository.insert(connection, caller, self._vault.closed(skill))
                elif old.draft != draft:
                    skill = Skill(old.id, draft, old.created_at, now)
                    repository.replace(connection, caller, self._vault.closed(skill))
                else:
                    continue
                stored += 1
            _refuse_too_many(len(before) + new)
            if stored:
                audit.record(connection, caller, "skills.imported", caller.user_id, count=stored)
            return stored

        stored = await self._write(store)
        return ImportDone(stored, len(drafts) - stored)

    async def _write(self, store: Callable[[Connection], R]) -> R:
        try:
            return await self._database.write(store)
        except IntegrityError as error:
            # Two at the same moment: the database's own rule decides.
            raise Conflict("The slug is taken.", param="slug", code="slug_taken") from error


def _refuse_taken(connection: Connection, caller: Caller, slug: str) -> None:
    if repository.by_slug(connection, caller, slug) is not None:
        raise Conflict(f"There is a skill {slug!r} already.", param="slug", code="slug_taken")


def _refuse_too_many(number: int) -> None:
    if number > MOST_SKILLS:
        raise InvalidInput(f"There may be at most {MOST_SKILLS} skills.", code="too_many_skills")
