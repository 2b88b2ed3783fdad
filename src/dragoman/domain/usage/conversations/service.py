"""Conversations of accounts that want theirs kept: written as they happen, read and removed by their owner."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.events import Event, Finished, Usage
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.domain.usage.conversations import repository
from dragoman.domain.usage.conversations.model import (
    Asked,
    Conversation,
    ConversationFilter,
    ConversationSummary,
)
from dragoman.domain.usage.conversations.transcript import kept_messages, preview
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_DAY_MS = 86_400_000
_BATCH = 100
_ERROR_CHARACTERS = 2000
_GONE = "The client hung up before the answer was whole."


@dataclass(frozen=True, slots=True)
class KeptBounds:
    """How much is kept: days after the last call, conversations of an account, characters of one."""

    days: int = 90
    per_account: int = 10_000
    characters: int = 1_000_000


class ConversationLog:
    """Conversations by account; nobody sees or removes another's.

    Args:
        tasks: carries out what is still to be written when a client has gone.
    """

    def __init__(
        self,
        database: Database,
        tasks: TaskOwner,
        bounds: KeptBounds | None = None,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._bounds = bounds or KeptBounds()
        self._clock_ms = clock_ms

    async def recorded(
        self, caller: Caller, asked: Asked, events: AsyncGenerator[Event]
    ) -> AsyncGenerator[Event]:
        """The events as they come; the conversation is kept before the last one, and also when it fails or is left.

        An answer does not fail because its record cannot be written.
        """
        folder, finished = Folder(), False
        try:
            async with aclosing(events):
                async for event in events:
                    folder.add(event)
                    if isinstance(event, Finished):
                        finished = True
                        await self._keep_if_possible(caller, asked, folder.answer(), None)
                    yield event
        except DragomanError as error:
            await self._keep_if_possible(caller, asked, None, error.detail)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            if not finished:
                folder.add(Finished("stop", Usage(estimated=True), asked.model))
                work = self._keep_if_possible(caller, asked, folder.answer(), _GONE)
                self._tasks.start(work, name="conversations.keep")
            raise

    async def _keep_if_possible(
        self, caller: Caller, asked: Asked, answer: Answer | None, error: str | None
    ) -> None:
        try:
            await self.keep(caller, asked, answer, error)
        except DragomanError as failure:
            log.warning("conversations.not_kept", reason=failure.detail)

    async def keep(
        self, caller: Caller, asked: Asked, answer: Answer | None, error: str | None = None
    ) -> str:
        """Keeps one call, in place of what is kept under its key; gives the conversation's id.

        Raises:
            Unavailable: the database cannot be written to.
        """
        now = self._clock_ms()
        usage = Usage() if answer is None else answer.usage
        citations = () if answer is None else answer.citations
        values: dict[str, object] = {
            "id": uuid7(),
            "key": None if asked.key is None else asked.key.replace("\0", ""),
            "origin": asked.origin,
            "model": ((answer.model if answer else "") or asked.model)[:200],
            "agent_id": asked.agent_id,
            "api_key_id": caller.key_id,
            "end_user": None if asked.end_user is None else asked.end_user.replace("\0", "")[:200],
            "request_id": asked.request_id,
            "preview": preview(asked.conversation),
            "error": None if error is None else error[:_ERROR_CHARACTERS],
            "tokens": usage.total_tokens,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "cached_tokens": usage.cached_tokens,
            },
            "asked_with": {"tools": list(asked.tools), "response_schema": asked.response_schema},
            "collections": sorted({citation.collection_id for citation in citations}),
            "messages": kept_messages(asked.conversation, answer, most_characters=self._bounds.characters),
            "metadata": dict(asked.metadata),
            "created_at": now,
            "updated_at": now,
        }
        return await self._database.write(repository.put, caller, values, most=self._bounds.per_account)

    async def select(self, caller: Caller, wanted: ConversationFilter) -> list[ConversationSummary]:
        """The caller's conversations, the one changed last first."""
        return await self._database.read(repository.select, caller, wanted)

    async def get(self, caller: Caller, conversation_id: str) -> Conversation:
        """One of the caller's conversations.

        Raises:
            NotFound: the caller has none of this id.
        """
        found = await self._database.read(repository.get, caller, conversation_id)
        if found is None:
            raise _unknown()
        return found

    async def export(self, caller: Caller, *, since: int) -> AsyncIterator[Conversation]:
        """The caller's conversations changed since then, oldest first, a few at a time."""
        await self._database.write(audit.record, caller, "conversations.exported", "conversations")
        number = 0
        while True:
            found = await self._database.read(
                repository.after, caller, since=since, number=number, count=_BATCH
            )
            for _, conversation in found:
                yield conversation
            if len(found) < _BATCH:
                return
            number = found[-1][0]

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Removes one of the caller's conversations.

        Raises:
            NotFound: the caller has none of this id.
        """

        def remove(connection: Connection) -> None:
            if not repository.delete(connection, caller, conversation_id):
                raise _unknown()
            audit.record(connection, caller, "conversation.deleted", conversation_id)

        await self._database.write(remove)

    async def forget_old(self) -> int:
        """Removes, in steps, what nobody has gone on with for as long as is kept; gives how many."""
        gone, before = 0, self._clock_ms() - self._bounds.days * _DAY_MS
        while True:
            removed = await self._database.write(repository.forget, before=before, count=_BATCH)
            gone += removed
            if removed < _BATCH:
                return gone


def _unknown() -> NotFound:
    return NotFound("There is no conversation with this id.", code="conversation_not_found")
