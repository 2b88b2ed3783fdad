"""Accounts that other servers keep, sign-ins there that have begun, by which way a session was opened; failed sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
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

NEW = [
    sa.Table(
        "identities",
        schema,
        sa.Column("issuer", sa.String(400), primary_key=True),
        sa.Column("subject", sa.String(400), primary_key=True),
        sa.Column(
            "user_id",
            sa.String(36),
            sa.ForeignKey("users.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "sign_in_flows",
        schema,
        sa.Column("state", sa.LargeBinary(32), primary_key=True),
        sa.Column("browser", sa.LargeBinary(32), nullable=False),
        sa.Column("nonce", sa.String(100), nullable=False),
        sa.Column("verifier", sa.String(100), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    ),
    sa.Table(
        "failed_sign_ins",
        schema,
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("due", sa.BigInteger, nullable=False, index=True),
    ),
]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)
    op.add_column("sign_ins", sa.Column("way", sa.String(16)))


def downgrade() -> None:
    with op.batch_alter_table("sign_ins") as batch:
        batch.drop_column("way")
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
