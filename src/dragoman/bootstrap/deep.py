"""Researches in the background: who finds, who writes, who carries the steps out."""

from collections.abc import Callable, Sequence

from dragoman.bootstrap.plugins import Beneath
from dragoman.db.jobs import FailedHook
from dragoman.domain.agents.deep.jobs import DeepJobs
from dragoman.domain.agents.deep.service import DeepResearch
from dragoman.domain.agents.deep.sources import Finder
from dragoman.domain.agents.deep.steps import StepParts
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.usage.answers.service import AnswerLog
from dragoman.kit.jsontypes import JsonObject


def open_deep(
    beneath: Beneath, answers: AnswerLog, labels: LabelsService, *, wake: Callable[[], None]
) -> tuple[DeepResearch, DeepJobs]:
    """The service and the jobs behind it."""
    parts = StepParts(
        runner=beneath.runner,
        catalogue=beneath.catalogue,
        finder=Finder(beneath.retriever, beneath.web),
        meter=beneath.meter,
        labels=labels,
    )
    jobs = DeepJobs(beneath.database, accounts=beneath.accounts, answers=answers, parts=parts)
    return DeepResearch(beneath.database, wake=wake), jobs


def all_told(hooks: Sequence[FailedHook]) -> FailedHook:
    """One hook that tells all of these of a job that was given up."""

    async def failed(kind: str, payload: JsonObject, reason: str) -> None:
        for hook in hooks:
            await hook(kind, payload, reason)

    return failed
