"""The answers a user was given: kept, listed, and marked when they were bad."""

from dataclasses import replace

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.answers import repository
from dragoman.domain.usage.answers.repository import KeptAnswer as KeptAnswer
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import NotFound

_KEPT_PER_USER = 1000
_MOST_LISTED = 1000
_CHARACTERS = 1_000_000
_ADDRESS_CHARACTERS = 64
_MODEL_CHARACTERS = 200


class AnswerLog:
    """Answers by user; nobody sees or marks another's."""

    def __init__(self, database: Database, *, kept_per_user: int = _KEPT_PER_USER) -> None:
        self._database = database
        self._kept = kept_per_user

    async def keep(self, caller: Caller, answer: KeptAnswer) -> None:
        """Keeps an answer; a killed process cannot lose it once this returns.

        Raises:
            Unavailable: the database cannot be written to.
        """
        await self._database.write(self.store, caller, answer)

    def store(self, connection: Connection, caller: Caller, answer: KeptAnswer) -> None:
        """``keep`` within a transaction of the caller's, for what must be stored together with the answer."""
        fitted = replace(
            answer,
            model=_text(answer.model, _MODEL_CHARACTERS),
            prompt=_text(answer.prompt, _CHARACTERS),
            completion=_text(answer.completion, _CHARACTERS),
            address=_text(answer.address, _ADDRESS_CHARACTERS),
        )
        repository.insert(connection, caller, fitted, kept=self._kept)

    async def latest(self, caller: Caller, count: int) -> list[KeptAnswer]:
        """The caller's latest answers, newest first."""
        return await self._database.read(repository.latest, caller, min(count, _MOST_LISTED))

    async def dislike(self, caller: Caller, answer_id: str) -> None:
        """Marks one of the caller's answers as a bad one; doing so again is no error.

        Raises:
            NotFound: the caller was given no such answer, or it is no longer kept.
        """
        if not await self._database.write(repository.dislike, caller, answer_id, now_ms()):
            raise NotFound("There is no answer with this id.", code="answer_not_found", param="uuid")


def _text(text: str, most: int) -> str:
    """The text as both databases can hold it."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode("utf-8")
