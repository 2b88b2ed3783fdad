"""The table of jobs."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``state``: queued, running, done, failed. ``again`` says that the job was asked for once more while it ran.
# ``owner`` and ``lease_until`` are set while it runs; ``attempts`` counts how often it was begun.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("key", sa.String(256), nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("again", sa.Boolean, nullable=False, default=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("run_at", EpochMs, nullable=False),
    sa.Column("lease_until", EpochMs),
    sa.Column("owner", sa.String(200)),
    sa.Column("error", sa.Text),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("finished_at", EpochMs),
    sa.Index("ix_jobs_state_kind_run_at", "state", "kind", "run_at"),
    sa.Index("ix_jobs_finished_at", "finished_at"),
    # One unfinished job a kind and key. PostgreSQL has the same condition by its migration: saying so here would load
    # that dialect at every start.
    sa.Index(
        "uq_jobs_kind_key_unfinished",
        "kind",
        "key",
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
    ),
)
