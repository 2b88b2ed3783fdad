"""Collections, documents, their text and passages."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``embedder`` is the fingerprint of what made the vectors, null until the first are there; ``embedder_choice`` the name of the
# embedder that the collection is to have, null for the server's own.
# ``visibility`` is private, organisation or public; shares to single users are in collection_grants.
collections = sa.Table(
    "collections",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("context", sa.Text),
    sa.Column("tags", Json, nullable=False),
    sa.Column("label", sa.String(64)),
    sa.Column("visibility", sa.String(16), nullable=False, default="private"),
    sa.Column("embedder", sa.String(128)),
    sa.Column("embedder_choice", sa.String(64)),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Index("ix_collections_organisation_id_visibility", "organisation_id", "visibility"),
)

collection_grants = sa.Table(
    "collection_grants",
    metadata,
    sa.Column(
        "collection_key", RowKey, sa.ForeignKey("collections.key", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True, index=True),
    sa.Column("permission", sa.String(16), nullable=False),
)

collection_group_grants = sa.Table(
    "collection_group_grants",
    metadata,
    sa.Column(
        "collection_key", RowKey, sa.ForeignKey("collections.key", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "group_id",
        sa.String(36),
        sa.ForeignKey("groups.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("permission", sa.String(16), nullable=False),
)

# ``external_id`` is the caller's own id (upsert key). ``version`` counts changes of the content; jobs carry it, so that work
# for an older version does nothing. ``state``: queued, parsing, embedding, indexed, failed, cancelled; ``state_detail`` is the
# reason in plain words. ``blob_key`` names the uploaded file, null for documents given as text. ``restricted``: of those who may
# read the collection, only its owner, its administrators and who is in document_users, _groups or _roles may read the document.
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("collection_key", RowKey, sa.ForeignKey("collections.key", ondelete="CASCADE"), nullable=False),
    sa.Column("external_id", sa.String(256), nullable=False),
    sa.Column("name", sa.String(512), nullable=False),
    sa.Column("reference", sa.String(64)),
    sa.Column("tags", Json, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("context", sa.Text),
    sa.Column("media_type", sa.String(200)),
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("blob_key", sa.String(200)),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_detail", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("page_count", sa.Integer),
    sa.Column("passage_count", sa.Integer, nullable=False, default=0),
    sa.Column("embedded_count", sa.Integer, nullable=False, default=0),
    sa.Column("token_count", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Column("indexed_at", EpochMs),
    sa.Column("restricted", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.UniqueConstraint("collection_key", "external_id"),
    sa.Index("ix_documents_collection_key_state", "collection_key", "state"),
    sa.Index("ix_documents_collection_key_reference", "collection_key", "reference"),
    sa.Index("ix_documents_collection_key_restricted", "collection_key", "restricted"),
)

document_users = sa.Table(
    "document_users",
    metadata,
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True, index=True),
)

document_groups = sa.Table(
    "document_groups",
    metadata,
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "group_id",
        sa.String(36),
        sa.ForeignKey("groups.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

# What holds of a document while a file that came in its place has not been read: the columns that new content sets. Its
# text and passages are those of the document until then.
document_standings = sa.Table(
    "document_standings",
    metadata,
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("blob_key", sa.String(200), index=True),
    sa.Column("media_type", sa.String(200)),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_detail", sa.Text),
)

# Roles in the organisation of the collection.
document_roles = sa.Table(
    "document_roles",
    metadata,
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("role", sa.String(16), primary_key=True),
)

# The extracted text that passages' offsets point into. ``page_starts`` is [[page number or null, offset], ...].
document_texts = sa.Table(
    "document_texts",
    metadata,
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("page_starts", Json, nullable=False),
    sa.Column("warnings", Json, nullable=False),
)

passages = sa.Table(
    "passages",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("document_key", RowKey, sa.ForeignKey("documents.key", ondelete="CASCADE"), nullable=False),
    sa.Column(
        "collection_key",
        RowKey,
        sa.ForeignKey("collections.key", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("heading_path", Json, nullable=False),
    sa.Column("char_start", sa.Integer, nullable=False),
    sa.Column("char_end", sa.Integer, nullable=False),
    sa.Column("token_count", sa.Integer, nullable=False),
    sa.Column("embedded", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("document_key", "ordinal"),
    sqlite_autoincrement=True,
)

# Every embedder that has made vectors here, and the space of the index where they are: no other's are ever there.
embedders = sa.Table(
    "embedders",
    metadata,
    sa.Column("fingerprint", sa.String(128), primary_key=True),
    sa.Column("space", sa.Integer, nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
)

# Collections whose vectors are being made anew beside those in use. ``state`` is running or waiting; ``detail`` says for what.
reembeddings = sa.Table(
    "reembeddings",
    metadata,
    sa.Column(
        "collection_key",
        RowKey,
        sa.ForeignKey("collections.key", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("started_at", EpochMs, nullable=False),
)

# The passages that have a vector of the new embedder already.
reembedded_passages = sa.Table(
    "reembedded_passages",
    metadata,
    sa.Column(
        "passage_key",
        RowKey,
        sa.ForeignKey("passages.key", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("collection_key", RowKey, nullable=False, index=True),
)
