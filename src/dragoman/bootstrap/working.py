"""Work in the background: which jobs there are, and who carries them out."""

from dataclasses import dataclass

from dragoman.bootstrap.channels import ChannelParts
from dragoman.bootstrap.deep import all_told
from dragoman.bootstrap.foundation import Foundation
from dragoman.bootstrap.knowing import Knowing
from dragoman.db.jobs import JobRunner, process_owner
from dragoman.domain.agents.deep.jobs import STEP, DeepJobs
from dragoman.domain.knowledge import jobs
from dragoman.domain.knowledge.reembed import FORGET, REEMBED
from dragoman.domain.knowledge.teaching import CountedIngestion

_QUEUE_CONCURRENCY = 8
_DEEP_CONCURRENCY = 3


class Wake:
    """Wakes the job runner, which is made after those who need to wake it."""

    def __init__(self) -> None:
        self.runner: JobRunner | None = None

    def __call__(self) -> None:
        """Tells it that there is work; without a runner here another process looks by itself."""
        if self.runner is not None:
            self.runner.wake()


@dataclass(frozen=True, slots=True)
class Wakes:
    """Whom to tell of new work."""

    queue: Wake
    conversations: Wake

    @classmethod
    def made(cls) -> "Wakes":
        """Both, with nobody behind them yet."""
        return cls(Wake(), Wake())


@dataclass(frozen=True, slots=True)
class Workers:
    """The job runners; started and stopped together."""

    queue: JobRunner
    conversations: JobRunner
    wakes: Wakes
    channels: ChannelParts

    async def start(self, base: Foundation) -> None:
        """Starts both, and what finds forgotten messages; stopped when the foundation is closed."""
        for runner, wake in (
            (self.queue, self.wakes.queue),
            (self.conversations, self.wakes.conversations),
        ):
            wake.runner = runner
            await runner.start()
            base.stack.push_async_callback(runner.stop)
        base.tasks.start(self.channels.forgotten.run(), name="channels.forgotten")


def make_workers(
    base: Foundation, knowing: Knowing, *, deep: DeepJobs, channels: ChannelParts, wakes: Wakes
) -> Workers:
    """The runners, not started."""
    counted = CountedIngestion(
        knowing.ingestion, base.database, meter=base.meter, counter=knowing.counter, embed=knowing.embed
    )
    reading = jobs.KnowledgeJobs(counted)
    limit = base.settings.knowledge.ingest_concurrency
    queue = JobRunner(
        base.database,
        {**reading.handlers(), **knowing.reembedding.handlers(), **deep.handlers()},
        owner=process_owner(),
        concurrency=_QUEUE_CONCURRENCY,
        limits={
            jobs.READ: limit,
            jobs.INDEX: limit,
            jobs.EMBED: 1,
            REEMBED: 1,
            FORGET: 1,
            STEP: _DEEP_CONCURRENCY,
        },
        on_failed=all_told([reading.failed, deep.failed]),
    )
    conversations = JobRunner(
        base.database,
        channels.handlers,
        owner=process_owner(),
        concurrency=base.settings.channels.concurrency,
        on_failed=channels.failed,
    )
    return Workers(queue, conversations, wakes, channels)
