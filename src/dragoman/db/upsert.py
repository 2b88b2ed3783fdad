"""``insert ... on conflict`` in the dialect of the database in use.

SQLAlchemy has one class a dialect for it; only the one in use is imported, as the other costs every start a tenth of a second.
"""

import importlib
from functools import cache
from typing import Any

import sqlalchemy as sa


def upsert(dialect_name: str, table: sa.Table) -> Any:
    """An insert into the table that can carry ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    return _insert_of(dialect_name)(table)


@cache
def _insert_of(dialect_name: str) -> Any:
    return importlib.import_module(f"sqlalchemy.dialects.{dialect_name}").insert
