"""The first schema: accounts, agents, knowledge, usage, jobs."""

import sqlalchemy as sa
import structlog
from alembic import op
from sqlalchemy import exc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

log = structlog.get_logger(__name__)

# The tables as they were at this revision: what the slices declare today is none of its business.
schema = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def row_key() -> sa.types.TypeEngine[int]:
    """An integer that SQLite takes as its row id."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


sa.Table(
    "organisations",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "users",
    schema,
    sa.Column("number", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False, index=True
    ),
    sa.Column("email", sa.String(320), nullable=False, unique=True),
    sa.Column("name", sa.String(200)),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "api_keys",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("last_six", sa.String(6), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("used_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "secrets",
    schema,
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "logins",
    schema,
    sa.Column("number", row_key(), primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

sa.Table(
    "versions",
    schema,
    sa.Column("topic", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

sa.Table(
    "agents",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("slug", sa.String(230), nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("extensions", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("owner_id", "slug"),
)

sa.Table(
    "collections",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("context", sa.Text),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("label", sa.String(64)),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("embedder", sa.String(128)),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Index("ix_collections_organisation_id_visibility", "organisation_id", "visibility"),
)

sa.Table(
    "collection_grants",
    schema,
    sa.Column(
        "collection_key", row_key(), sa.ForeignKey("collections.key", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True, index=True),
    sa.Column("permission", sa.String(16), nullable=False),
)

sa.Table(
    "documents",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "collection_key", row_key(), sa.ForeignKey("collections.key", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("external_id", sa.String(256), nullable=False),
    sa.Column("name", sa.String(512), nullable=False),
    sa.Column("reference", sa.String(64)),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("context", sa.Text),
    sa.Column("media_type", sa.String(200)),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("blob_key", sa.String(200)),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_detail", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("page_count", sa.Integer),
    sa.Column("passage_count", sa.Integer, nullable=False),
    sa.Column("embedded_count", sa.Integer, nullable=False),
    sa.Column("token_count", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("indexed_at", sa.BigInteger),
    sa.UniqueConstraint("collection_key", "external_id"),
    sa.Index("ix_documents_collection_key_state", "collection_key", "state"),
    sa.Index("ix_documents_collection_key_reference", "collection_key", "reference"),
)

sa.Table(
    "document_texts",
    schema,
    sa.Column(
        "document_key", row_key(), sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("page_starts", sa.JSON, nullable=False),
    sa.Column("warnings", sa.JSON, nullable=False),
)

sa.Table(
    "passages",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("document_key", row_key(), sa.ForeignKey("documents.key", ondelete="CASCADE"), nullable=False),
    sa.Column(
        "collection_key",
        row_key(),
        sa.ForeignKey("collections.key", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("heading_path", sa.JSON, nullable=False),
    sa.Column("char_start", sa.Integer, nullable=False),
    sa.Column("char_end", sa.Integer, nullable=False),
    sa.Column("token_count", sa.Integer, nullable=False),
    sa.Column("embedded", sa.Boolean, nullable=False),
    sa.UniqueConstraint("document_key", "ordinal"),
    sqlite_autoincrement=True,
)

sa.Table(
    "usage_records",
    schema,
    sa.Column("number", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("organisation_id", sa.String(36), nullable=False),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("key_id", sa.String(36)),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("dialect", sa.String(16), nullable=False),
    sa.Column("application", sa.String(100)),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("end_user", sa.String(200)),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("cached_tokens", sa.Integer, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Index("ix_usage_records_user_id_at", "user_id", "at"),
    sa.Index("ix_usage_records_organisation_id_at", "organisation_id", "at"),
)

sa.Table(
    "journal_offsets",
    schema,
    sa.Column("segment", sa.String(100), primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
)

sa.Table(
    "jobs",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("key", sa.String(256), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("again", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("run_at", sa.BigInteger, nullable=False),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("owner", sa.String(200)),
    sa.Column("error", sa.Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Index("ix_jobs_state_kind_run_at", "state", "kind", "run_at"),
    sa.Index("ix_jobs_finished_at", "finished_at"),
    sa.Index(
        "uq_jobs_kind_key_unfinished",
        "kind",
        "key",
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    ),
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _enable_vectors(connection)
    schema.create_all(connection, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), checkfirst=False)


def _enable_vectors(connection: sa.Connection) -> None:
    offered = connection.execute(
        sa.text("select 1 from pg_available_extensions where name = 'vector'")
    ).scalar()
    if not offered:
        log.warning("database.no_vectors", reason="pgvector is not installed on the database server")
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.text("create extension if not exists vector"))
    except exc.ProgrammingError as error:
        # A role without the right to do so; an administrator may create it later.
        log.warning("database.no_vectors", reason=str(error.orig))
