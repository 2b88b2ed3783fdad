"""All SQL of the answers kept for their users."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.answers.tables import answers


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer. ``at`` and ``disliked_at`` in milliseconds since 1970; ``number`` is 0 before it is stored."""

    id: str
    at: int
    dialect: str
    model: str
    prompt: str
    completion: str
    prompt_tokens: int
    completion_tokens: int
    address: str
    disliked_at: int | None = None
    number: int = 0


_COLUMNS = [answers.c[name] for name in KeptAnswer.__slots__]


def insert(connection: Connection, caller: Caller, answer: KeptAnswer, *, kept: int) -> None:
    """Stores an answer and drops the caller's oldest beyond ``kept``."""
    values = {name: getattr(answer, name) for name in KeptAnswer.__slots__ if name != "number"}
    connection.execute(sa.insert(answers).values(user_id=caller.user_id, **values))
    newest_dropped = (
        sa.select(answers.c.number)
        .where(answers.c.user_id == caller.user_id)
        .order_by(answers.c.number.desc())
        .limit(1)
        .offset(kept)
        .scalar_subquery()
    )
    mine = answers.c.user_id == caller.user_id
    connection.execute(sa.delete(answers).where(mine, answers.c.number <= newest_dropped))


def latest(connection: Connection, caller: Caller, count: int) -> list[KeptAnswer]:
    """The caller's answers, newest first."""
    statement = (
        sa.select(*_COLUMNS)
        .where(answers.c.user_id == caller.user_id)
        .order_by(answers.c.number.desc())
        .limit(count)
    )
    return [KeptAnswer(**row) for row in connection.execute(statement).mappings()]


def dislike(connection: Connection, caller: Caller, answer_id: str, at: int) -> bool:
    """Whether the caller has such an answer, which is now marked as a bad one."""
    mine = sa.and_(answers.c.user_id == caller.user_id, answers.c.id == answer_id)
    return connection.execute(sa.update(answers).where(mine).values(disliked_at=at)).rowcount > 0
