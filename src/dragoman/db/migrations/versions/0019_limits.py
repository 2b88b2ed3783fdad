"""Limits on requests, tokens and money; receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
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

# Made by 0001; here only to be referred to.
sa.Table("organisations", schema, sa.Column("id", sa.String(36), primary_key=True))


def _limit_id() -> sa.Column[str]:
    return sa.Column(
        "limit_id", sa.String(36), sa.ForeignKey("budget_limits.id", ondelete="CASCADE"), primary_key=True
    )


NEW = [
    sa.Table(
        "budget_limits",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False, index=True
        ),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(200)),
        sa.Column("gateway_id", sa.String(36)),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("hard", sa.Boolean, nullable=False),
        sa.Column("by_operator", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "budget_counters",
        schema,
        _limit_id(),
        sa.Column("subject", sa.String(200), primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
    ),
    sa.Table(
        "budget_shares",
        schema,
        _limit_id(),
        sa.Column("subject", sa.String(200), primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.String(64), primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "budget_holds",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False, index=True),
        sa.Column("record", sa.JSON, nullable=False),
    ),
    sa.Table(
        "receipts",
        schema,
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, index=True),
        sa.Column("organisation_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("told", sa.JSON, nullable=False),
    ),
]
_INDEX = "ix_usage_records_receipt_id"


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)
    op.add_column("usage_records", sa.Column("requests", sa.SmallInteger, nullable=False, server_default="1"))
    op.add_column("usage_records", sa.Column("receipt_id", sa.String(36)))
    there = sa.text("receipt_id is not null")
    op.create_index(_INDEX, "usage_records", ["receipt_id"], sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    op.drop_index(_INDEX, "usage_records")
    op.drop_column("usage_records", "receipt_id")
    op.drop_column("usage_records", "requests")
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
