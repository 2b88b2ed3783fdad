"""The job of a research: one step, which queues the next in the transaction that stores what it did.

So a research goes on after a crash from the last step that was stored, and no step of it is ever stored twice.
"""

import asyncio
import uuid

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import JobHandler, enqueue
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.deep import repository
from dragoman.domain.agents.deep.encode import answer_payload
from dragoman.domain.agents.deep.model import DeepRun, StepOutcome, Told
from dragoman.domain.agents.deep.steps import Step, StepParts, writer_for
from dragoman.domain.usage.answers.service import AnswerLog, KeptAnswer
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Forbidden, NotFound
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

STEP = "agents.deep"
_LOOK_SECONDS = 1.0


def enqueue_step(connection: Connection, number: int) -> None:
    """Queues the next step of a research."""
    enqueue(connection, STEP, str(number), {"run": number})


class DeepJobs:
    """Carries out steps."""

    def __init__(
        self, database: Database, *, accounts: AccountsService, answers: AnswerLog, parts: StepParts
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._answers = answers
        self._parts = parts

    def handlers(self) -> dict[str, JobHandler]:
        """What the runner needs."""
        return {STEP: self._step}

    async def _step(self, payload: JsonObject) -> None:
        number = _number(payload)
        run = await self._database.read(repository.of_job, number)
        if run is None or run.state != repository.WORKING:
            return
        caller = await self._caller(run)
        writer = await writer_for(self._parts, caller, run)
        outcome = await self._unless_stopped(run, Step(self._parts, caller, run, writer))
        if outcome is not None:
            await self._database.write(self._stored, caller, run, outcome)

    async def _caller(self, run: DeepRun) -> Caller:
        """Whose research it is, as the account is now.

        Raises:
            Forbidden: the account was locked meanwhile.
            NotFound: it is gone.
        """
        user = await self._accounts.user(Caller(run.organisation_id, run.user_id, 0, "", "viewer"))
        if user.disabled:
            raise Forbidden("The account of this research is locked.")
        return Caller(user.organisation_id, user.id, user.number, user.email, user.role)

    async def _unless_stopped(self, run: DeepRun, step: Step) -> StepOutcome | None:
        """The step's outcome; None when the research is stopped meanwhile, which ends the model's work as well."""
        owner = TaskOwner()
        try:
            work = owner.start(_taken(step), name="deep.step")
            while True:
                await asyncio.wait({work}, timeout=_LOOK_SECONDS)
                if work.done():
                    result = work.result()
                    if isinstance(result, DragomanError):
                        raise result
                    return result
                now = await self._database.read(repository.of_job, run.number)
                if now is None or now.state != repository.WORKING or now.turn != run.turn:
                    log.info("deep.stopped", run=run.number)
                    return None
        finally:
            await owner.close()

    def _stored(self, connection: Connection, caller: Caller, before: DeepRun, outcome: StepOutcome) -> None:
        run = repository.of_job(connection, before.number, hold=True)
        if run is None or run.state != repository.WORKING or run.updates != before.updates:
            # It was stopped, or another process has taken this step.
            return
        if outcome.answer is None:
            repository.save(
                connection, run, state=repository.WORKING, progress=outcome.progress, told=outcome.told
            )
            enqueue_step(connection, run.number)
            return
        answer_id = str(uuid.uuid4())
        progress = outcome.progress
        self._answers.store(
            connection,
            caller,
            KeptAnswer(
                id=answer_id,
                at=now_ms(),
                dialect=run.settings.dialect,
                model=progress.model,
                prompt=run.question,
                completion=outcome.answer.text,
                prompt_tokens=progress.prompt_tokens,
                completion_tokens=progress.completion_tokens,
                address=run.settings.address,
            ),
        )
        told = (*outcome.told, Told("answer", answer_payload(answer_id, outcome.answer, progress)))
        repository.save(connection, run, state="done", progress=progress, told=told)

    async def failed(self, kind: str, payload: JsonObject, reason: str) -> None:
        """Marks the research of a step that was given up."""
        if kind != STEP:
            return
        number = _number(payload)

        def give_up(connection: Connection) -> None:
            run = repository.of_job(connection, number, hold=True)
            if run is None or run.state != repository.WORKING:
                return
            said = reason.partition(": ")[2] or reason
            told = (Told("error", {"message": f"The research failed: {said}", "code": "failed"}),)
            repository.save(connection, run, state="failed", progress=run.progress, told=told)

        await self._database.write(give_up)


async def _taken(step: Step) -> StepOutcome | DragomanError:
    try:
        return await step.take()
    except DragomanError as error:
        # It is the runner of jobs that decides what becomes of it, and logs it.
        return error


def _number(payload: JsonObject) -> int:
    number = payload["run"]
    if not isinstance(number, int):
        raise NotFound("The job names no research.")
    return number
