"""Passwords, setup links, sessions of the console; earlier versions of agents."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
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

# Made by earlier revisions; here only to be referred to.
sa.Table(
    "users",
    schema,
    sa.Column(
        "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("id", sa.String(36), unique=True),
)
sa.Table("api_keys", schema, sa.Column("id", sa.String(36), primary_key=True))
sa.Table("agents", schema, sa.Column("id", sa.String(36), primary_key=True))

NEW = [
    sa.Table(
        "passwords",
        schema,
        sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("digest", sa.String(200), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "setup_links",
        schema,
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "sign_ins",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("key_id", sa.String(36), sa.ForeignKey("api_keys.id")),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("program", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    ),
    sa.Table(
        "agent_versions",
        schema,
        sa.Column(
            "agent_id", sa.String(36), sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("extensions", sa.JSON, nullable=False),
        sa.Column("changed_by", sa.String(320), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    ),
]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
