"""Durable background jobs: rows of our own, put in with the change that needs the work."""

from dragoman.db.jobs.owner import process_owner
from dragoman.db.jobs.queue import (
    Counts,
    JobRequest,
    KindCounts,
    counts,
    counts_by_kind,
    enqueue,
    enqueue_many,
    forget,
    holders,
)
from dragoman.db.jobs.runner import FailedHook, JobHandler, JobRunner, JobTiming, RunLater

__all__ = [
    "Counts",
    "FailedHook",
    "JobHandler",
    "JobRequest",
    "JobRunner",
    "JobTiming",
    "KindCounts",
    "RunLater",
    "counts",
    "counts_by_kind",
    "enqueue",
    "enqueue_many",
    "forget",
    "holders",
    "process_owner",
]
