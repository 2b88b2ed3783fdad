"""The one metadata that every slice's tables hang on, and the column types both databases share."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a row id only to a column declared exactly INTEGER; PostgreSQL wants 64 bits.
RowKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EpochMs = sa.BigInteger
Json = sa.JSON

# The execution option under which a connection carries the key that audit chains are sealed with.
SEAL = "dragoman_audit_seal"
