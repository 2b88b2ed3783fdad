"""Groups of users, collections shared with groups, and documents that only some may read."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

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


# Made by 0001; here only to be referred to.
sa.Table("organisations", schema, sa.Column("id", sa.String(36), primary_key=True))
sa.Table(
    "users",
    schema,
    sa.Column("number", row_key(), primary_key=True),
    sa.Column("id", sa.String(36), unique=True),
)
sa.Table("collections", schema, sa.Column("key", row_key(), primary_key=True))
sa.Table("documents", schema, sa.Column("key", row_key(), primary_key=True))


def _group() -> sa.Column[str]:
    return sa.Column(
        "group_id",
        sa.String(36),
        sa.ForeignKey("groups.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    )


def _user() -> sa.Column[str]:
    return sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True, index=True)


def _document() -> sa.Column[int]:
    return sa.Column(
        "document_key", row_key(), sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True
    )


NEW = [
    sa.Table(
        "groups",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("organisation_id", "name"),
    ),
    sa.Table("group_members", schema, _group(), _user()),
    sa.Table(
        "collection_group_grants",
        schema,
        sa.Column(
            "collection_key",
            row_key(),
            sa.ForeignKey("collections.key", ondelete="CASCADE"),
            primary_key=True,
        ),
        _group(),
        sa.Column("permission", sa.String(16), nullable=False),
    ),
    sa.Table("document_users", schema, _document(), _user()),
    sa.Table("document_groups", schema, _document(), _group()),
]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)
    restricted = sa.Column("restricted", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("documents", restricted)
    op.create_index("ix_documents_collection_key_restricted", "documents", ["collection_key", "restricted"])


def downgrade() -> None:
    op.drop_index("ix_documents_collection_key_restricted", "documents")
    op.drop_column("documents", "restricted")
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
