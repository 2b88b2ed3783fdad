"""All SQL of skills."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.skills.model import Skill, SkillDraft, SkillSource
from dragoman.domain.skills.tables import skills
from dragoman.kit.errors import NotFound


def _skill(row: sa.RowMapping) -> Skill:
    draft = SkillDraft(
        row["slug"],
        row["instructions"],
        row["description"],
        tuple(SkillSource(**source) for source in row["sources"]),
        tuple(row["allowed_tools"]),
    )
    return Skill(row["id"], draft, row["created_at"], row["updated_at"], row["sealed_headers"])


def _values(skill: Skill) -> dict[str, object]:
    draft = skill.draft
    return {
        "slug": draft.slug,
        "description": draft.description,
        "instructions": draft.instructions,
        "sources": [{**asdict(source), "headers": dict(source.headers)} for source in draft.sources],
        "sealed_headers": skill.sealed_headers,
        "allowed_tools": list(draft.allowed_tools),
        "updated_at": skill.updated_at,
    }


def insert(connection: Connection, caller: Caller, skill: Skill) -> None:
    """Stores a new skill of the caller's."""
    connection.execute(
        sa.insert(skills).values(
            id=skill.id,
            organisation_id=caller.organisation_id,
            owner_id=caller.user_id,
            created_at=skill.created_at,
            **_values(skill),
        )
    )


def replace(connection: Connection, caller: Caller, skill: Skill) -> None:
    """Gives one of the caller's skills another content."""
    statement = sa.update(skills).where(skills.c.id == skill.id, skills.c.owner_id == caller.user_id)
    connection.execute(statement.values(**_values(skill)))


def get(connection: Connection, caller: Caller, skill_id: str) -> Skill:
    """One of the caller's skills.

    Raises:
        NotFound: the caller has no such skill.
    """
    statement = sa.select(skills).where(skills.c.id == skill_id, skills.c.owner_id == caller.user_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no skill with this id.", code="skill_not_found")
    return _skill(row)


def select(
    connection: Connection, caller: Caller, *, limit: int, offset: int = 0, names: Sequence[str] | None = None
) -> list[Skill]:
    """The caller's skills, oldest first; with ``names`` those whose id or slug is among them."""
    statement = sa.select(skills).where(skills.c.owner_id == caller.user_id)
    if names is not None:
        statement = statement.where(sa.or_(skills.c.id.in_(names), skills.c.slug.in_(names)))
    statement = statement.order_by(skills.c.created_at, skills.c.id).limit(limit).offset(offset)
    return [_skill(row) for row in connection.execute(statement).mappings()]


def by_slug(connection: Connection, caller: Caller, slug: str) -> Skill | None:
    """The caller's skill of that slug."""
    statement = sa.select(skills).where(skills.c.owner_id == caller.user_id, skills.c.slug == slug)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _skill(row)


def count(connection: Connection, caller: Caller) -> int:
    """How many skills the caller has."""
    statement = sa.select(sa.func.count()).where(skills.c.owner_id == caller.user_id)
    return connection.execute(statement).scalar_one()


def delete(connection: Connection, caller: Caller, skill_id: str | None = None) -> int:
    """Removes one of the caller's skills, or all; gives how many there were."""
    statement = sa.delete(skills).where(skills.c.owner_id == caller.user_id)
    if skill_id is not None:
        statement = statement.where(skills.c.id == skill_id)
    return connection.execute(statement).rowcount
